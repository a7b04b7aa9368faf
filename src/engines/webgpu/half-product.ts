/** Products of matrices in f16, between casts: what is around them stays in f32. */
import { sizeOf } from '../../tensor/shape.js'
import { type Context, one, sized } from '../onnx/emit.js'
import { type ModelBuilder, onnxDataType } from '../onnx/model-builder.js'
import { moved, type Operand, reshaped, scalar, sliced, transposed } from './operand.js'

/**
 * Terms of a product that are summed in f16. The provider's kernels sum in the type of their operands: 4096 ones are 2048 to
 * them, and terms below a half of the sum's last bit are lost. Sums of this many go on in f32, which makes an error of 0.17 % of
 * the result, as operands do that are rounded to bf16.
 */
export const HALF_TERMS = 128

/** What the sums of parts may take that one node makes, so that a long sum is few nodes: as much as the operands in f32, within bounds. */
const groupBytes = { least: 16e6, most: 128e6 }

/** Of a part's result: f16, and f32 when it is widened. */
const BYTES_PER_SUM = 6

/** The values that products read in f16. */
export class Halves {
  readonly #names = new Map<string, string>()

  constructor(
    readonly model: ModelBuilder,
    readonly variables: ReadonlySet<string>,
  ) {}

  /**
   * A value in f16. It is made once, so that between forward and backward pass it may be kept in place of the f32 one; that of
   * a variable, which stays anyway, is made for each reader and gone after it.
   */
  of(name: string, shape: readonly number[]): string {
    const known = this.#names.get(name)
    if (known) return known
    const half = this.model.emit('Cast', [name], sized(shape, 2), { to: onnxDataType.f16 })
    if (!this.variables.has(name)) this.#names.set(name, half)
    return half
  }
}

/**
 * The product of an op `matmul` in f16, in f32 from {@link HALF_TERMS} terms on. Its factor goes to an operand, in f32: scores of
 * attention without it may exceed f16. It goes to the second one, which wherever there is a factor is keys or queries, and
 * smaller than scores.
 */
export function halfProduct(c: Context, halves: Halves): void {
  const { model, inputs, specs, attrs, result } = c
  const { transA, transB, alpha } = attrs as { transA: boolean; transB: boolean; alpha: number }
  const [first, second] = inputs as [string, string]
  const [a, b] = specs as [Context['specs'][number], Context['specs'][number]]
  const scaled = alpha === 1 ? second : model.emit('Mul', [second, scalar(model, alpha)], sized(b.shape))
  const product: Product = {
    a: { name: halves.of(first, a.shape), shape: a.shape, bytes: 2 },
    b: { name: halves.of(scaled, b.shape), shape: b.shape, bytes: 2 },
    axisA: a.shape.length - (transA ? 2 : 1),
    axisB: b.shape.length - (transB ? 1 : 2),
    shape: result.shape,
  }
  const terms = a.shape[product.axisA]!
  const bytes = Math.min(groupBytes.most, Math.max(groupBytes.least, 4 * (sizeOf(a.shape) + sizeOf(b.shape))))
  const group = Math.max(1, Math.floor(bytes / (BYTES_PER_SUM * sizeOf(result.shape))))
  // sums of sums are emitted behind all sums: onnxruntime makes the latest operand first, and would else make all before adding two
  const sums = ranges(terms, group).map(range => sumOf(model, product, range))
  if (sums.length === 1) one(c, ...sums[0]!)
  else {
    const names = sums.map(([op, operands, attributes]) => model.emit(op, operands, sized(result.shape), attributes))
    const last = names.pop()!
    const add = (a: string, b: string) => model.emit('Add', [a, b], sized(result.shape))
    one(c, 'Add', [names.reduce(add), last])
  }
}

interface Product {
  readonly a: Operand
  readonly b: Operand
  /** The axes that are summed over. */
  readonly axisA: number
  readonly axisB: number
  readonly shape: readonly number[]
}

type Range = readonly [start: number, end: number]

/** Operator, operands and attributes. */
type Sum = readonly [op: string, operands: readonly string[], attributes: Readonly<Record<string, number>>]

/** Cuts terms into groups of whole parts, and what is left. */
function ranges(terms: number, group: number): Range[] {
  const whole = terms - (terms % HALF_TERMS)
  const found: Range[] = []
  for (let start = 0; start < whole; start += group * HALF_TERMS) {
    found.push([start, Math.min(whole, start + group * HALF_TERMS)])
  }
  return whole === terms ? found : [...found, [whole, terms]]
}

/** The node that gives, in f32, the sum of a range of at most one part or of several whole ones. */
function sumOf(model: ModelBuilder, product: Product, [start, end]: Range): Sum {
  const count = (end - start) / HALF_TERMS
  const axis = product.shape.length - 2
  const isStacked = count > 1
  const shape = isStacked ? [...product.shape.slice(0, axis), count, ...product.shape.slice(axis)] : product.shape
  const a = sliced(model, product.a, product.axisA, start, end)
  const b = sliced(model, product.b, product.axisB, start, end)
  const operands = isStacked
    ? [stackedColumns(model, a, product.axisA), stackedRows(model, b, product.axisB)]
    : [asColumns(model, a, product.axisA), asRows(model, b, product.axisB)]
  const found = model.emit(
    'MatMul',
    operands.map(({ name }) => name),
    sized(shape, 2),
  )
  const toF32 = { to: onnxDataType.f32 }
  if (!isStacked) return ['Cast', [found], toF32]
  return ['ReduceSum', [model.emit('Cast', [found], sized(shape), toF32), model.int64([axis])], { keepdims: 0 }]
}

/** As the first operand, [..., M, terms]; `axis` is that of the terms. */
function asColumns(model: ModelBuilder, operand: Operand, axis: number): Operand {
  return axis === operand.shape.length - 1 ? operand : transposed(model, operand)
}

/** As the second operand, [..., terms, N]. */
function asRows(model: ModelBuilder, operand: Operand, axis: number): Operand {
  return axis === operand.shape.length - 1 ? transposed(model, operand) : operand
}

/** Parts one behind the other as first operands, [..., parts, M, terms]. */
function stackedColumns(model: ModelBuilder, operand: Operand, axis: number): Operand {
  const cut = cutIntoParts(model, operand, axis)
  return axis === operand.shape.length - 1 ? moved(model, cut, axis, axis - 1) : transposed(model, cut)
}

/** Parts one behind the other as second operands, [..., parts, terms, N]. */
function stackedRows(model: ModelBuilder, operand: Operand, axis: number): Operand {
  const cut = cutIntoParts(model, operand, axis)
  return axis === operand.shape.length - 1 ? moved(model, cut, axis - 1, axis + 1) : cut
}

/** With two axes in place of one: that of the parts, then that of the terms of each. */
function cutIntoParts(model: ModelBuilder, operand: Operand, axis: number): Operand {
  const { shape } = operand
  const parts = shape[axis]! / HALF_TERMS
  return reshaped(model, operand, [...shape.slice(0, axis), parts, HALF_TERMS, ...shape.slice(axis + 1)])
}
