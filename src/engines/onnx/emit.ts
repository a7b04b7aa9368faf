/** From a lowered program to an ONNX model for onnxruntime's CPU provider. */
import { bytesPerElement, type DType, hostArray } from '../../tensor/dtype.js'
import type { Attrs, TensorSpec } from '../../tensor/graph.js'
import { toHost } from '../../tensor/leaf.js'
import type { ProgramNode, ProgramSpec } from '../../tensor/lower.js'
import type { QuantizedBits } from '../../tensor/ops/dequantize.js'
import { sizeOf } from '../../tensor/shape.js'
import { internal } from '../../util/errors.js'
import type { OnnxGraph, OnnxValue } from './graph.js'
import { MICROSOFT, ModelBuilder, type OnnxSpec, onnxDataType } from './model-builder.js'

/** Composite ops for which onnxruntime has a fused kernel. */
export const nativeOps: ReadonlySet<string> = new Set(['softmax', 'silu', 'rmsNorm', 'rotary', 'dequantize'])

/** What the emitter of an op works on: names of values, and what is known of them. */
export interface Context {
  readonly model: ModelBuilder
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attrs: Attrs
  readonly specs: readonly TensorSpec[]
  readonly result: TensorSpec
  /** An operand of ids that choose among `size` rows, as the engine's kernels have to get it. */
  ids(index: number, size: number): string
}

export type Emitter = (context: Context) => void

/** Ops that are one ONNX operator of another name with the same operands. */
export const sameOperands: Record<string, string> = {
  neg: 'Neg',
  exp: 'Exp',
  log: 'Log',
  sqrt: 'Sqrt',
  reciprocal: 'Reciprocal',
  sin: 'Sin',
  cos: 'Cos',
  tanh: 'Tanh',
  sigmoid: 'Sigmoid',
  abs: 'Abs',
  not: 'Not',
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  pow: 'Pow',
  maximum: 'Max',
  minimum: 'Min',
  equal: 'Equal',
  less: 'Less',
  lessOrEqual: 'LessOrEqual',
  greater: 'Greater',
  greaterOrEqual: 'GreaterOrEqual',
  and: 'And',
  or: 'Or',
}

/** The ops that need more than that. */
export const emitters: Record<string, Emitter> = {
  scalar: ({ model, outputs, attrs, result }) => {
    model.constant(outputs[0]!, result, toHost([attrs['value'] as number], result.dtype))
  },
  iota: ({ model, outputs, attrs, result }) => {
    model.constant(
      outputs[0]!,
      result,
      Int32Array.from({ length: attrs['length'] as number }, (_, i) => i),
    )
  },
  cast: c => one(c, 'Cast', c.inputs, { to: onnxDataType[c.attrs['dtype'] as DType] }),
  reshape: c => one(c, 'Reshape', [...c.inputs, c.model.int64(c.result.shape)]),
  permute: c => one(c, 'Transpose', c.inputs, { perm: c.attrs['axes'] as number[] }),
  where: c => throughF32(c, 'Where', c.inputs),
  expand: c => throughF32(c, 'Expand', c.inputs, [c.model.int64(c.result.shape)]),
  slice: c => {
    const bounds = [c.attrs['start'], c.attrs['end'], c.attrs['axis']] as number[]
    one(c, 'Slice', [...c.inputs, ...bounds.map(v => c.model.int64([v]))])
  },
  pad: c => {
    const pads = new Array<number>(2 * c.result.shape.length).fill(0)
    pads[c.attrs['axis'] as number] = c.attrs['before'] as number
    pads[(c.attrs['axis'] as number) + c.result.shape.length] = c.attrs['after'] as number
    throughF32(c, 'Pad', c.inputs, [c.model.int64(pads)])
  },
  concat: c => one(c, 'Concat', c.inputs, { axis: c.attrs['axis'] as number }),
  sum: c => one(c, 'ReduceSum', [...c.inputs, c.model.int64(c.attrs['axes'] as number[])]),
  max: c => one(c, 'ReduceMax', [...c.inputs, c.model.int64(c.attrs['axes'] as number[])]),
  argmax: c => {
    // of nothing the kernel makes no result at all
    if (sizeOf(c.result.shape) === 0) return nothing(c)
    const wide = c.model.emit('ArgMax', c.inputs, sized(c.result.shape, 8), { axis: -1, keepdims: 0 })
    one(c, 'Cast', [wide], { to: onnxDataType.i32 })
  },
  matmul: c => {
    const { transA, transB, alpha } = c.attrs as { transA: boolean; transB: boolean; alpha: number }
    if (!transA && !transB && alpha === 1) return one(c, 'MatMul', c.inputs)
    one(
      c,
      'FusedMatMul',
      c.inputs,
      { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } },
      MICROSOFT,
    )
  },
  gather: c => one(c, 'Gather', [c.inputs[0]!, c.ids(1, c.specs[0]!.shape[0]!)]),
  scatterAdd: c => {
    const rows = c.inputs[1]!
    const zero = c.model.fresh()
    c.model.constant(zero, { shape: [], dtype: 'f32' }, new Float32Array(1))
    const base = c.model.emit('Expand', [zero, c.model.int64(c.result.shape)], sized(c.result.shape))
    const indices = spread(c.model, c.ids(0, c.result.shape[0]!), c.specs[1]!.shape, 0)
    one(c, 'ScatterElements', [base, indices, rows], { axis: 0, reduction: 'add' })
  },
  gatherLast: c => {
    const column = [...c.result.shape, 1]
    const width = c.specs[0]!.shape.at(-1)!
    const ids = c.model.emit('Reshape', [c.ids(1, width), c.model.int64(column)], sized(column))
    const picked = c.model.emit('GatherElements', [c.inputs[0]!, ids], sized(column), { axis: -1 })
    one(c, 'Reshape', [picked, c.model.int64(c.result.shape)])
  },
  update: c => {
    const axis = c.attrs['axis'] as number
    const indices = spread(c.model, c.ids(2, c.result.shape[axis]!), c.specs[1]!.shape, axis)
    one(c, 'ScatterElements', [c.inputs[0]!, indices, c.inputs[1]!], { axis })
  },
  // a choice between two equal values: onnxruntime has no control edges, and this one needs `after` to be decided
  barrier: c => {
    const size = sizeOf(c.specs[1]!.shape)
    const flat = c.model.emit('Reshape', [c.inputs[1]!, c.model.int64([size])], sized([size]))
    const first = c.model.emit('Slice', [flat, ...[0, 1, 0].map(v => c.model.int64([v]))], sized([1]))
    const isSame = c.model.emit('Equal', [first, first], sized([1], 1))
    const x = inF32(c, 0)
    fromF32(c, 'Where', [isSame, x, x])
  },
  softmax: c => one(c, 'Softmax', c.inputs, { axis: -1 }),
  // QuickGelu(x) = x sigmoid(alpha x)
  silu: c => one(c, 'QuickGelu', c.inputs, { alpha: { float: 1 } }, MICROSOFT),
  rmsNorm: c => {
    const attributes = { axis: -1, epsilon: { float: c.attrs['eps'] as number }, stash_type: 1 }
    const [y, invStd] = c.outputs as [string, string]
    c.model.node({ op: 'SimplifiedLayerNormalization', inputs: c.inputs, outputs: [y, invStd], attributes })
  },
  rotary: c => {
    const [x, cos, sin] = c.inputs as [string, string, string]
    one(c, 'RotaryEmbedding', [x, c.model.int64([0]), cos, sin], {}, MICROSOFT)
  },
  dequantize: c => {
    const [codes, scales] = c.inputs as [string, string]
    const axis = c.result.shape.length - 1
    const blockSize = c.result.shape[axis]! / c.specs[1]!.shape[axis]!
    const attributes = { axis, block_size: blockSize }
    one(c, 'DequantizeLinear', [codesName(codes, c.attrs['bits'] as QuantizedBits), scales], attributes)
  },
}

/** An emitted model and the names by which a run binds its values; null for inputs and variables that nothing reads. */
export interface EmittedModel {
  readonly bytes: Uint8Array
  readonly inputNames: readonly (string | null)[]
  readonly variableNames: readonly (string | null)[]
  /** Further inputs: the bytes of an input or variable of the program read as signed integers. */
  readonly codes: readonly CodesInput[]
  /** Outputs of the program, then the new values of its updates. */
  readonly resultNames: readonly string[]
  readonly graph: OnnxGraph
}

export interface CodesInput {
  readonly name: string
  /** Of the values that are given at each run, or of the variable slots. */
  readonly from: 'inputs' | 'variables'
  readonly index: number
  readonly spec: OnnxSpec
}

/** Emits the program as one ONNX graph whose inputs are the program's inputs and variables. */
export function emitModel(spec: ProgramSpec): EmittedModel {
  const model = new ModelBuilder()
  const results = [...spec.outputs, ...spec.updates.map(u => u.value)]
  const nameOf = (value: number) => `v${value}`
  const used = new Set([...spec.nodes.flatMap(readAsTheyAre), ...results])
  const declare = (value: number) => {
    if (!used.has(value)) return null
    model.input(nameOf(value), spec.values[value]!)
    return nameOf(value)
  }
  const inputNames = spec.inputs.map(i => declare(i.value))
  const variableNames = spec.variables.map(declare)
  const codes = codesInputs(spec, nameOf)
  for (const { name, spec: type } of codes) model.input(name, type)
  const guarded = new Map<string, string>()
  for (const node of spec.nodes) {
    emitNode(model, spec, node, { nameOf, guarded })
    for (const value of isConstant(node) ? [] : node.outputs) model.values.set(nameOf(value), sizeOfValue(spec, value))
  }
  const made = new Set(spec.nodes.flatMap(node => (isConstant(node) ? [] : node.outputs)))
  const resultNames = results.map((value, i) => {
    // a value asked for twice, or that is an input or a constant, needs a copy under another name
    const isOwn = made.has(value) && results.indexOf(value) === i
    const name = isOwn ? nameOf(value) : `r${i}`
    if (!isOwn) model.node({ op: 'Identity', inputs: [nameOf(value)], outputs: [name] })
    model.values.set(name, sizeOfValue(spec, value))
    model.output(name, spec.values[value]!)
    return name
  })
  const graph = { nodes: model.nodes, values: model.values, results: new Set(resultNames) }
  return { bytes: model.finish(), inputNames, variableNames, codes, resultNames, graph }
}

/** A result without elements. */
export function nothing({ model, outputs, result }: Context): void {
  model.constant(outputs[0]!, result, hostArray(result.dtype, 0))
}

/** Operands that a node reads in the dtype that they have in the program. */
function readAsTheyAre({ op, inputs }: ProgramNode): readonly number[] {
  return op === 'dequantize' ? inputs.slice(1) : inputs
}

function codesInputs(spec: ProgramSpec, nameOf: (value: number) => string): CodesInput[] {
  const found = new Map<string, CodesInput>()
  for (const { op, inputs, outputs, attrs } of spec.nodes) {
    if (op !== 'dequantize') continue
    const [value, bits] = [inputs[0]!, attrs['bits'] as QuantizedBits]
    const name = codesName(nameOf(value), bits)
    const slot = spec.variables.indexOf(value)
    const index = slot >= 0 ? slot : spec.inputs.findIndex(i => i.value === value)
    if (index < 0) throw internal('dequantize of codes that are neither an input nor a variable')
    const type: OnnxSpec = { shape: spec.values[outputs[0]!]!.shape, dtype: bits === 8 ? 'i8' : 'i4' }
    found.set(name, { name, from: slot >= 0 ? 'variables' : 'inputs', index, spec: type })
  }
  return [...found.values()]
}

function codesName(name: string, bits: QuantizedBits): string {
  return `${name}.i${bits}`
}

/** Ops that become constants of the model, not nodes. */
function isConstant({ op }: ProgramNode): boolean {
  return op === 'scalar' || op === 'iota'
}

function sizeOfValue(spec: ProgramSpec, value: number): OnnxValue {
  const { shape, dtype } = spec.values[value]!
  return sized(shape, bytesPerElement[dtype])
}

/** What the nodes of a program have in common. */
interface Names {
  nameOf(value: number): string
  /** Ids that are guarded already, by their name and the number of rows; nothing merges equal nodes later. */
  readonly guarded: Map<string, string>
}

function emitNode(model: ModelBuilder, spec: ProgramSpec, node: ProgramNode, { nameOf, guarded }: Names): void {
  const inputs = node.inputs.map(nameOf)
  const outputs = node.outputs.map(nameOf)
  const simple = sameOperands[node.op]
  if (simple) {
    model.node({ op: simple, inputs, outputs })
    return
  }
  const emitter = emitters[node.op]
  if (!emitter) throw internal(`the onnx engine has no op ${node.op}`)
  const specs = node.inputs.map(i => spec.values[i]!)
  const ids = (index: number, size: number) => {
    const key = `${inputs[index]} ${size}`
    const name = guarded.get(key) ?? withoutNegative(model, inputs[index]!, specs[index]!.shape, size)
    guarded.set(key, name)
    return name
  }
  emitter({ model, inputs, outputs, attrs: node.attrs, specs, result: spec.values[node.outputs[0]!]!, ids })
}

/** The op's result from one ONNX operator. */
export function one(
  c: Context,
  op: string,
  inputs: readonly string[],
  attributes: Parameters<ModelBuilder['emit']>[3] = {},
  domain = '',
): void {
  c.model.node({ op, inputs, outputs: [c.outputs[0]!], attributes, domain })
}

/**
 * An operator that moves elements and has no kernel for 16-bit ones: they are f32 meanwhile, which is exact. The casts are
 * explicit because those that onnxruntime inserts undo the rounding before them.
 */
function throughF32(c: Context, op: string, operands: readonly string[], rest: readonly string[] = []): void {
  fromF32(c, op, [...operands.map((_, i) => inF32(c, i)), ...rest])
}

function inF32({ model, inputs, specs }: Context, index: number): string {
  const { shape, dtype } = specs[index]!
  return isHalf(dtype) ? model.emit('Cast', [inputs[index]!], sized(shape), { to: onnxDataType.f32 }) : inputs[index]!
}

function fromF32(c: Context, op: string, inputs: readonly string[]): void {
  const { shape, dtype } = c.result
  if (isHalf(dtype)) one(c, 'Cast', [c.model.emit(op, inputs, sized(shape))], { to: onnxDataType[dtype] })
  else one(c, op, inputs)
}

function isHalf(dtype: DType): boolean {
  return dtype === 'f16' || dtype === 'bf16'
}

/**
 * Ids among which negative ones are ids beyond the end: onnxruntime's kernels, which refuse those, count
 * negative ones from the end, so that a target of -100 would be a token.
 */
function withoutNegative(model: ModelBuilder, ids: string, shape: readonly number[], size: number): string {
  const isNegative = model.emit('Less', [ids, model.int32(0)], sized(shape, 1))
  return model.emit('Where', [isNegative, model.int32(size), ids], sized(shape))
}

/** Positions along one axis, repeated over all others: what ScatterElements wants. */
function spread(model: ModelBuilder, ids: string, shape: readonly number[], axis: number): string {
  const columnShape = shape.map((d, i) => (i === axis ? d : 1))
  const column = model.emit('Reshape', [ids, model.int64(columnShape)], sized(columnShape))
  return model.emit('Expand', [column, model.int64(shape)], sized(shape))
}

export function sized(shape: readonly number[], bytes = 4): OnnxValue {
  return { shape, bytesPerElement: bytes }
}
