/** Every plain op, and the composites that tfjs has a kernel for, as calls of tfjs-core. */
import type { DType } from '../../tensor/dtype.js'
import type { Attrs, TensorSpec } from '../../tensor/graph.js'
import { toHost } from '../../tensor/leaf.js'
import { type Shape, sizeOf } from '../../tensor/shape.js'
import { LabError } from '../../util/errors.js'
import { widen } from '../initial-data.js'
import type { Tf, TfTensor } from './load.js'
import { downloadSync, tfDtype } from './transfer.js'

type Ids = Parameters<Tf['gather']>[1]

/** Composite ops that are one kernel. */
export const nativeOps: ReadonlySet<string> = new Set(['softmax'])

/** What an op is given: its operands, and a result to be made that is none of them. */
export interface OpCall {
  readonly tf: Tf
  readonly inputs: readonly TfTensor[]
  readonly attrs: Attrs
  readonly specs: readonly TensorSpec[]
  readonly result: TensorSpec
}

export interface TfOp {
  /** Kernels that a backend must have for this op. */
  readonly kernels: readonly string[]
  run(call: OpCall): TfTensor
}

type UnaryName = 'neg' | 'exp' | 'log' | 'sqrt' | 'reciprocal' | 'sin' | 'cos' | 'tanh' | 'sigmoid' | 'abs'

function unary(name: UnaryName | 'logicalNot' | 'clone' | 'softmax', kernel: string): TfOp {
  return { kernels: [kernel], run: ({ tf, inputs }) => tf[name](inputs[0]!) }
}

type BinaryName =
  | 'add'
  | 'sub'
  | 'mul'
  | 'div'
  | 'pow'
  | 'maximum'
  | 'minimum'
  | 'logicalAnd'
  | 'logicalOr'
  | Comparison
type Comparison = 'equal' | 'less' | 'lessEqual' | 'greater' | 'greaterEqual'

function binary(name: BinaryName, kernel: string): TfOp {
  return { kernels: [kernel], run: ({ tf, inputs }) => tf[name](inputs[0]!, inputs[1]!) }
}

export const tfOps: Readonly<Record<string, TfOp>> = {
  neg: unary('neg', 'Neg'),
  exp: unary('exp', 'Exp'),
  log: unary('log', 'Log'),
  sqrt: unary('sqrt', 'Sqrt'),
  reciprocal: unary('reciprocal', 'Reciprocal'),
  sin: unary('sin', 'Sin'),
  cos: unary('cos', 'Cos'),
  tanh: unary('tanh', 'Tanh'),
  sigmoid: unary('sigmoid', 'Sigmoid'),
  abs: unary('abs', 'Abs'),
  not: unary('logicalNot', 'LogicalNot'),
  add: binary('add', 'Add'),
  sub: binary('sub', 'Sub'),
  mul: binary('mul', 'Multiply'),
  div: binary('div', 'RealDiv'),
  pow: binary('pow', 'Pow'),
  maximum: binary('maximum', 'Maximum'),
  minimum: binary('minimum', 'Minimum'),
  equal: binary('equal', 'Equal'),
  less: binary('less', 'Less'),
  lessOrEqual: binary('lessEqual', 'LessEqual'),
  greater: binary('greater', 'Greater'),
  greaterOrEqual: binary('greaterEqual', 'GreaterEqual'),
  and: binary('logicalAnd', 'LogicalAnd'),
  or: binary('logicalOr', 'LogicalOr'),
  softmax: unary('softmax', 'Softmax'),
  // tensors are immutable and nodes run in order: a barrier is another name
  barrier: unary('clone', 'Identity'),
  scalar: { kernels: [], run: ({ tf, attrs, result }) => tf.scalar(attrs['value'] as number, tfDtype(result.dtype)) },
  iota: {
    kernels: [],
    run: ({ tf, attrs }) =>
      tf.tensor1d(
        Int32Array.from({ length: attrs['length'] as number }, (_, i) => i),
        'int32',
      ),
  },
  where: {
    kernels: ['Select', 'Tile', 'Reshape', 'Identity'],
    run: ({ tf, inputs: [condition, a, b] }) => tf.where(condition!, a!, b!),
  },
  cast: { kernels: ['Cast', 'NotEqual', 'Identity'], run: castTo },
  reshape: { kernels: ['Reshape'], run: ({ tf, inputs, result }) => tf.reshape(inputs[0]!, [...result.shape]) },
  permute: {
    kernels: ['Transpose'],
    run: ({ tf, inputs, attrs }) => tf.transpose(inputs[0]!, [...(attrs['axes'] as number[])]),
  },
  expand: {
    kernels: ['Tile', 'Reshape', 'Identity'],
    run: ({ tf, inputs, result }) =>
      sizeOf(result.shape) === 0 ? zerosOf(tf, result) : tf.broadcastTo(inputs[0]!, [...result.shape]),
  },
  slice: { kernels: ['Slice'], run: sliceOf },
  pad: { kernels: ['PadV2'], run: padded },
  concat: { kernels: ['Concat'], run: ({ tf, inputs, attrs }) => tf.concat([...inputs], attrs['axis'] as number) },
  sum: {
    kernels: ['Sum'],
    run: ({ tf, inputs, attrs, result }) =>
      inputs[0]!.size === 0 ? zerosOf(tf, result) : tf.sum(inputs[0]!, [...(attrs['axes'] as number[])], true),
  },
  max: {
    kernels: ['Max'],
    run: ({ tf, inputs, attrs }) => tf.max(inputs[0]!, [...(attrs['axes'] as number[])], true),
  },
  argmax: { kernels: ['ArgMax'], run: ({ tf, inputs }) => tf.argMax(inputs[0]!, -1) },
  matmul: { kernels: ['BatchMatMul', 'Multiply', 'Tile', 'Reshape'], run: product },
  gather: {
    kernels: ['GatherV2'],
    run({ tf, inputs: [table, ids], specs }) {
      checkIds('gather', ids!, specs[0]!.shape[0]!)
      return tf.gather(table!, ids!)
    },
  },
  scatterAdd: {
    kernels: ['ScatterNd', 'Reshape'],
    run({ tf, inputs: [ids, rows], result }) {
      checkIds('scatterAdd', ids!, result.shape[0]!)
      return tf.scatterND(tf.reshape(ids!, [-1, 1]), rows!, [...result.shape])
    },
  },
  gatherLast: { kernels: ['GatherV2', 'Reshape', 'Add'], run: picked },
  update: { kernels: ['TensorScatterUpdate', 'Concat', 'GatherV2', 'Reshape'], run: updated },
}

/** Names of all kernels that some op needs. */
export function allKernels(): string[] {
  return [...new Set(Object.values(tfOps).flatMap(({ kernels }) => kernels))]
}

/** 16-bit results are rounded on the host, because tfjs has no such type; everything else stays where it is. */
function castTo({ tf, inputs, specs, result }: OpCall): TfTensor {
  const x = inputs[0]!
  const { shape, dtype } = result
  if (dtype === 'f16' || dtype === 'bf16') return roundedTo(tf, x, specs[0]!.dtype, { shape, dtype })
  // some backends keep the low byte of a number as its truth
  if (dtype === 'bool' && specs[0]!.dtype !== 'bool') return tf.notEqual(x, tf.scalar(0, x.dtype))
  return tf.cast(x, tfDtype(dtype))
}

function roundedTo(
  tf: Tf,
  x: TfTensor,
  from: DType,
  { shape, dtype }: { shape: Shape; dtype: 'f16' | 'bf16' },
): TfTensor {
  const bits = toHost(downloadSync(x, from === 'f16' || from === 'bf16' ? 'f32' : from), dtype)
  return tf.tensor(widen(bits, dtype), [...shape], 'float32')
}

function sliceOf({ tf, inputs, attrs, specs, result }: OpCall): TfTensor {
  const begin = specs[0]!.shape.map((_, axis) => (axis === attrs['axis'] ? (attrs['start'] as number) : 0))
  return tf.slice(inputs[0]!, begin, [...result.shape])
}

function padded({ tf, inputs, attrs, specs }: OpCall): TfTensor {
  const ends = specs[0]!.shape.map((_, axis): [number, number] =>
    axis === attrs['axis'] ? [attrs['before'] as number, attrs['after'] as number] : [0, 0],
  )
  return tf.pad(inputs[0]!, ends)
}

/** What a sum of nothing is; the wasm kernels leave such a result unwritten. */
function zerosOf(tf: Tf, { shape, dtype }: TensorSpec): TfTensor {
  return tf.tensor(new Float32Array(sizeOf(shape)), [...shape], tfDtype(dtype))
}

/** tfjs's cpu and wasm kernels repeat batches by `index % count`, which is broadcasting only where one batch shape ends the other. */
function product({ tf, inputs, attrs, specs, result }: OpCall): TfTensor {
  const lead = result.shape.slice(0, -2)
  const [a, b] = [0, 1].map(i => {
    const { shape } = specs[i]!
    const own = shape.slice(0, -2)
    const isRepeated = own.every((d, n) => d === lead[lead.length - own.length + n]) || sizeOf(own) === 1
    return isRepeated ? inputs[i]! : tf.broadcastTo(inputs[i]!, [...lead, ...shape.slice(-2)])
  })
  if (inputs.some(({ size }) => size === 0)) return zerosOf(tf, result)
  const alpha = attrs['alpha'] as number
  const raw = tf.matMul(a!, b!, attrs['transA'] === true, attrs['transB'] === true)
  return alpha === 1 ? raw : tf.mul(raw, alpha)
}

/** From the flat elements: the wasm kernel reads the first row's ids for every row of a batched gather. */
function picked({ tf, inputs: [x, ids], specs, result }: OpCall): TfTensor {
  const width = specs[0]!.shape[specs[0]!.shape.length - 1]!
  checkIds('gatherLast', ids!, width)
  const starts = Int32Array.from({ length: sizeOf(result.shape) }, (_, row) => row * width)
  const places = tf.add(tf.tensor(starts, [...result.shape], 'int32'), ids!)
  return tf.gather(tf.reshape(x!, [-1]), places as Ids)
}

/** Gathers from base and rows, one after the other: along any axis, without a transpose. */
function updated({ tf, inputs: [base, rows, positions], attrs, specs }: OpCall): TfTensor {
  const axis = attrs['axis'] as number
  const [length, count] = [specs[0]!.shape[axis]!, specs[1]!.shape[axis]!]
  checkIds('update', positions!, length)
  const iota = (start: number, size: number) =>
    tf.tensor1d(
      Int32Array.from({ length: size }, (_, i) => start + i),
      'int32',
    )
  const sources = tf.tensorScatterUpdate(iota(0, length), tf.reshape(positions!, [count, 1]), iota(length, count))
  return tf.gather(tf.concat([base!, rows!], axis), sources as Ids, axis)
}

/** Backends differ: cpu throws, wasm writes where it must not, a GPU passes over it. So the ids are looked at here. */
function checkIds(op: string, ids: TfTensor, size: number): void {
  for (const id of ids.dataSync()) {
    if (id < 0 || id >= size) throw new LabError('ENGINE', `${op}: index ${id} is outside 0..${size - 1}`)
  }
}
