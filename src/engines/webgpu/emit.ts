/** From a lowered program to an ONNX model of which every node has a kernel in onnxruntime's WebGPU provider. */
import { bytesPerElement, type DType } from '../../tensor/dtype.js'
import type { Precision } from '../../tensor/engine.js'
import type { TensorSpec } from '../../tensor/graph.js'
import type { ProgramNode, ProgramSpec } from '../../tensor/lower.js'
import { sizeOf } from '../../tensor/shape.js'
import { internal } from '../../util/errors.js'
import { type Context, nothing, emitters as onCpu, one, sameOperands, sized } from '../onnx/emit.js'
import type { OnnxGraph } from '../onnx/graph.js'
import { ModelBuilder, onnxDataType } from '../onnx/model-builder.js'
import { halfFormats, roundedTo, sine } from './accurate.js'
import { Formula } from './formula.js'
import { Halves, halfProduct } from './half-product.js'
import { scalar, transposed } from './operand.js'

/** Composite ops for which the provider has a kernel of its own. */
export const nativeOps: ReadonlySet<string> = new Set(['softmax', 'silu', 'rmsNorm', 'rotary'])

/** The arithmetic of products of matrices that the emitter knows. */
export type DevicePrecision = Exclude<Precision, 'bf16'>

interface DeviceContext extends Context {
  /** Null when products are computed in f32. */
  readonly halves: Halves | null
  /** Whether anybody reads that output of the op. */
  isRead(output: number): boolean
}

/** Ops that are emitted otherwise than for the CPU. */
const emitters: Readonly<Record<string, (c: DeviceContext) => void>> = {
  ...onCpu,
  matmul: c => {
    if (c.specs.some(({ shape }) => sizeOf(shape) === 0)) noProduct(c)
    else if (c.halves) halfProduct(c, c.halves)
    else product(c)
  },
  // the kernel takes the magnitude of a negative base, also where the power is not real
  pow: c => {
    const f = formulaOf(c)
    const [base, exponent] = c.inputs as [string, string]
    const isBroken = f.less(f.floor(exponent), exponent)
    const power = c.model.emit('Pow', [base, exponent], sized(c.result.shape))
    one(c, 'Where', [isBroken, f.where(f.less(base, 0), Number.NaN, power), power])
  },
  sin: c => renamed(c, sine(formulaOf(c), c.inputs[0]!, 0)),
  cos: c => renamed(c, sine(formulaOf(c), c.inputs[0]!, 1)),
  cast: c => {
    const to = c.attrs['dtype'] as DType
    if (to === 'f16' || to === 'bf16') renamed(c, roundedTo(halfFormats[to], formulaOf(c), asF32(c, 0)))
    else onCpu['cast']!(c)
  },
  and: c => logical(c, 'Mul'),
  or: c => logical(c, 'Max'),
  max: c => (sizeOf(c.result.shape) === 0 ? nothing(c) : onCpu['max']!(c)),
  // the kernel of ArgMax counts in int64, which no shader has
  argmax: c => {
    if (sizeOf(c.result.shape) === 0) return nothing(c)
    const { shape } = c.specs[0]!
    const length = shape.at(-1)!
    const column = [...shape.slice(0, -1), 1]
    const last = c.model.int64([shape.length - 1])
    const best = c.model.emit('ReduceMax', [c.inputs[0]!, last], sized(column), { keepdims: 1 })
    const isBest = c.model.emit('Equal', [c.inputs[0]!, best], sized(shape, 1))
    const positions = number(
      c.model,
      Float32Array.from({ length }, (_, i) => i),
    )
    const candidates = c.model.emit(
      'Where',
      [isBest, positions, number(c.model, Float32Array.of(length))],
      sized(shape),
    )
    const first = c.model.emit('ReduceMin', [candidates, last], sized(c.result.shape), { keepdims: 0 })
    one(c, 'Cast', [first], { to: onnxDataType.i32 })
  },
  // the kernel leaves its second output, 1 / sqrt(mean(x^2) + eps), unwritten
  rmsNorm: c => {
    const { model, inputs, outputs, specs, attrs } = c
    const { shape } = specs[0]!
    const column = [...shape.slice(0, -1), 1]
    const attributes = { axis: -1, epsilon: { float: attrs['eps'] as number }, stash_type: 1 }
    one(c, 'SimplifiedLayerNormalization', inputs, attributes)
    if (!c.isRead(1)) return
    const axis = model.int64([shape.length - 1])
    const squares = model.emit('ReduceSumSquare', [inputs[0]!, axis], sized(column), { keepdims: 1 })
    const f = new Formula(model, column)
    const variance = f.add(f.mul(squares, 1 / shape.at(-1)!), attrs['eps'] as number)
    const deviation = model.emit('Sqrt', [variance], sized(column))
    model.node({ op: 'Reciprocal', inputs: [deviation], outputs: [outputs[1]!] })
  },
}

/** A sum of nothing: the kernel divides by the length of what it sums. */
function noProduct(c: Context): void {
  one(c, 'Expand', [scalar(c.model, 0), c.model.int64(c.result.shape)])
}

/** FusedMatMul has no kernel here. */
function product(c: DeviceContext): void {
  const { transA, transB, alpha } = c.attrs as { transA: boolean; transB: boolean; alpha: number }
  const operands = [transA, transB].map((isTransposed, i) => {
    const name = c.inputs[i]!
    return isTransposed ? transposed(c.model, { name, shape: c.specs[i]!.shape, bytes: 4 }).name : name
  })
  if (alpha === 1) one(c, 'MatMul', operands)
  else one(c, 'Mul', [c.model.emit('MatMul', operands, sized(c.result.shape)), scalar(c.model, alpha)])
}

function formulaOf({ model, result }: Context): Formula {
  return new Formula(model, result.shape)
}

/** Gives the op's result the name that the graph knows it by. */
function renamed(c: Context, value: string): void {
  one(c, 'Identity', [value])
}

function asF32({ model, inputs, specs }: Context, index: number): string {
  const { shape, dtype } = specs[index]!
  return dtype === 'f32' ? inputs[index]! : model.emit('Cast', [inputs[index]!], sized(shape), { to: onnxDataType.f32 })
}

/** There are no kernels of And and Or: truth is 1 and 0. */
function logical(c: Context, op: 'Mul' | 'Max'): void {
  const truth = c.model.emit(op, [asF32(c, 0), asF32(c, 1)], sized(c.result.shape))
  one(c, 'Cast', [truth], { to: onnxDataType.bool })
}

function number(model: ModelBuilder, values: Float32Array): string {
  const name = model.fresh()
  model.constant(name, { shape: [values.length], dtype: 'f32' }, values)
  return name
}

/** The element type in which the device holds values of a dtype: 16-bit floats and bytes are widened, which is exact. */
export function heldAs(dtype: DType): DType {
  if (dtype === 'u8') return 'i32'
  return dtype === 'f16' || dtype === 'bf16' ? 'f32' : dtype
}

export interface DeviceModel {
  readonly bytes: Uint8Array
  /** Null for inputs and variables that nothing reads. */
  readonly inputNames: readonly (string | null)[]
  readonly variableNames: readonly (string | null)[]
  /** Outputs of the program, then the new values of its updates. */
  readonly resultNames: readonly string[]
  readonly graph: OnnxGraph
}

export interface DeviceModelOptions {
  /**
   * The updates, in order, whose result is written into the memory of the variable they replace (default none). A kernel may
   * not write into a buffer that it reads, so these results are copies, made when the variable's last reader is done.
   */
  inPlace?: readonly boolean[]
  /** Default `f32`. `f16`: products of matrices take f16 and sum in it by parts, between casts; all other values are as in f32. */
  precision?: DevicePrecision
  /** Takes the nodes (default: a new one); tests look at them, or change them, here. */
  model?: ModelBuilder
}

/** Emits the program as one ONNX graph. */
export function emitDeviceModel(
  spec: ProgramSpec,
  { inPlace = [], precision = 'f32', model = new ModelBuilder() }: DeviceModelOptions = {},
): DeviceModel {
  const names = valueNames(spec)
  const nameOf = (value: number) => names.get(value) ?? `v${value}`
  const results = [...spec.outputs, ...spec.updates.map(u => u.value)]
  const used = new Set([...spec.nodes.flatMap(node => node.inputs), ...results].map(nameOf))
  const declare = (value: number) => {
    if (!used.has(nameOf(value))) return null
    model.input(nameOf(value), held(spec.values[value]!))
    return nameOf(value)
  }
  const inputNames = spec.inputs.map(i => declare(i.value))
  const variableNames = spec.variables.map(declare)
  const halves = precision === 'f16' ? new Halves(model, new Set(spec.variables.map(nameOf))) : null
  for (const node of spec.nodes) emitNode({ model, spec, nameOf, used, halves }, node)
  const made = new Set(model.nodes.flatMap(node => node.outputs))
  const resultNames = results.map((value, i) => {
    const isCopy = inPlace[i - spec.outputs.length] || !made.has(nameOf(value)) || results.indexOf(value) !== i
    const name = isCopy ? `r${i}` : nameOf(value)
    if (isCopy) model.node({ op: 'Identity', inputs: [nameOf(value)], outputs: [name] })
    model.values.set(name, sizeOfValue(spec, value))
    model.output(name, held(spec.values[value]!))
    return name
  })
  const graph = { nodes: model.nodes, values: model.values, results: new Set(resultNames) }
  return { bytes: model.finish(), inputNames, variableNames, resultNames, graph }
}

/** Names of values that are another one in all but their dtype: a cast between dtypes that are held alike costs nothing. */
function valueNames(spec: ProgramSpec): Map<number, string> {
  const names = new Map<number, string>()
  for (const node of spec.nodes) {
    if (!isRenaming(spec, node)) continue
    const [from, to] = [node.inputs[0]!, node.outputs[0]!]
    names.set(to, names.get(from) ?? `v${from}`)
  }
  return names
}

/** Whether a cast is between dtypes that are held alike: its result is its operand, under another name. */
export function isRenaming(spec: ProgramSpec, { op, inputs, outputs }: ProgramNode): boolean {
  if (op !== 'cast') return false
  const [from, to] = [spec.values[inputs[0]!]!.dtype, spec.values[outputs[0]!]!.dtype]
  return from === to || heldAs(from) === to
}

function held({ shape, dtype }: TensorSpec): TensorSpec {
  return { shape, dtype: heldAs(dtype) }
}

function sizeOfValue(spec: ProgramSpec, value: number): ReturnType<typeof sized> {
  const { shape, dtype } = held(spec.values[value]!)
  return sized(shape, bytesPerElement[dtype])
}

interface Emission {
  readonly model: ModelBuilder
  readonly spec: ProgramSpec
  nameOf(value: number): string
  /** Names that something reads. */
  readonly used: ReadonlySet<string>
  readonly halves: Halves | null
}

function emitNode({ model, spec, nameOf, used, halves }: Emission, node: ProgramNode): void {
  if (isRenaming(spec, node)) return
  const inputs = node.inputs.map(nameOf)
  const outputs = node.outputs.map(nameOf)
  const emitter = emitters[node.op]
  const simple = sameOperands[node.op]
  if (emitter) {
    const specs = node.inputs.map(i => held(spec.values[i]!))
    const result = held(spec.values[node.outputs[0]!]!)
    const isRead = (output: number) => used.has(outputs[output]!)
    // a kernel refuses no id; those that come from the host are looked at there
    const ids = (index: number) => inputs[index]!
    emitter({ model, inputs, outputs, attrs: node.attrs, specs, result, isRead, halves, ids })
  } else if (simple) model.node({ op: simple, inputs, outputs })
  else throw internal(`the webgpu engine has no op ${node.op}`)
  const isConstant = node.op === 'scalar' || node.op === 'iota'
  for (const value of isConstant ? [] : node.outputs) model.values.set(nameOf(value), sizeOfValue(spec, value))
}
