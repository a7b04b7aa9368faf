import { LabError } from '../util/errors.js'
import { arrayNameOf, checkElement, type DType, type HostArray, hostArray, isArrayOf } from './dtype.js'
import { apply, defineOp, makeNode, Tensor } from './graph.js'
import { f32ToBf16, f32ToF16 } from './half.js'
import { formatShape, type Shape, sizeOf } from './shape.js'

/** Numbers nested to the depth of the tensor's rank. */
export type NestedNumbers = number | boolean | readonly NestedNumbers[]

const scalarOp = defineOp({
  name: 'scalar',
  infer: (_inputs, attrs) => [{ shape: [], dtype: attrs['dtype'] as DType }],
})

const iotaOp = defineOp({
  name: 'iota',
  infer: (_inputs, attrs) => [{ shape: [attrs['length'] as number], dtype: 'i32' }],
})

defineOp({ name: 'data', infer: () => [] })
defineOp({ name: 'input', infer: () => [] })
defineOp({ name: 'variable', infer: () => [] })

/** A scalar constant, part of the graph's structure. @throws LabError DTYPE for a number that the dtype cannot hold */
export function scalar(value: number, dtype: DType = 'f32'): Tensor {
  checkElement('scalar', value, dtype)
  return apply(scalarOp, [], { value, dtype })
}

/** `[0, 1, ..., length-1]` as i32. */
export function iota(length: number): Tensor {
  return apply(iotaOp, [], { length })
}

/**
 * A tensor over host memory. Borrows `data`: do not change it before the tensor has been realised.
 * @throws LabError SHAPE when the elements do not fill the shape, DTYPE for an array of another element type
 */
export function fromHost(data: HostArray, shape: Shape, dtype: DType): Tensor {
  if (data.length !== sizeOf(shape)) {
    throw new LabError('SHAPE', `data: ${data.length} elements do not fill shape ${formatShape(shape)}`)
  }
  if (!isArrayOf(dtype, data)) {
    const came = data[Symbol.toStringTag]
    throw new LabError(
      'DTYPE',
      `data: expected a ${arrayNameOf(dtype)} for ${dtype}, got a ${came}; tensor(values, { dtype }) converts`,
    )
  }
  return new Tensor(makeNode('data', [], {}, [{ shape: [...shape], dtype }], { kind: 'data', data }))
}

/** A placeholder that a compiled program is given at every run. */
export function input(name: string, shape: Shape, dtype: DType = 'f32'): Tensor {
  return new Tensor(makeNode('input', [], {}, [{ shape: [...shape], dtype }], { kind: 'input', name }))
}

/**
 * A tensor of the numbers given: `tensor([[1, 2], [3, 4]])`, or flat values with a shape.
 * The dtype defaults to bool for booleans and f32 otherwise.
 * @throws LabError SHAPE when rows differ in length
 */
export function tensor(values: NestedNumbers | HostArray, options: { dtype?: DType; shape?: Shape } = {}): Tensor {
  const flat: number[] = []
  const shape = ArrayBuffer.isView(values) ? [values.length] : flatten(values, flat)
  const source = ArrayBuffer.isView(values) ? values : flat
  const dtype =
    options.dtype ?? (ArrayBuffer.isView(values) ? dtypeOfArray(values) : holdsBooleans(values) ? 'bool' : 'f32')
  return fromHost(toHost(source, dtype), options.shape ?? shape, dtype)
}

/** Numbers rounded to the storage of `dtype`. Copies, except when the array already is of that type. */
export function toHost(values: ArrayLike<number>, dtype: DType): HostArray {
  if (dtype === 'f32') return values instanceof Float32Array ? values : Float32Array.from(values)
  if (dtype === 'i32') return values instanceof Int32Array ? values : Int32Array.from(values)
  const out = hostArray(dtype, values.length)
  const convert = dtype === 'f16' ? f32ToF16 : dtype === 'bf16' ? f32ToBf16 : Number
  for (let i = 0; i < values.length; i++) out[i] = convert(values[i]!)
  return out
}

function dtypeOfArray(array: HostArray): DType {
  if (array instanceof Int32Array) return 'i32'
  if (array instanceof Uint8Array) return 'bool'
  if (array instanceof Uint16Array) {
    throw new LabError('DTYPE', 'tensor: 16-bit data may be f16 or bf16; use fromHost(data, shape, dtype)')
  }
  return 'f32'
}

function holdsBooleans(values: NestedNumbers): boolean {
  return typeof values === 'boolean' || (Array.isArray(values) && values.length > 0 && holdsBooleans(values[0]))
}

function flatten(values: NestedNumbers, out: number[]): number[] {
  if (typeof values === 'number' || typeof values === 'boolean') {
    out.push(Number(values))
    return []
  }
  const rows = values as readonly NestedNumbers[]
  const shapes = rows.map(row => flatten(row, out))
  const first = shapes[0] ?? []
  const odd = shapes.findIndex(s => formatShape(s) !== formatShape(first))
  if (odd >= 0) {
    throw new LabError(
      'SHAPE',
      `tensor: row ${odd} has shape ${formatShape(shapes[odd]!)}, row 0 has ${formatShape(first)}; rows must be equal`,
    )
  }
  return [rows.length, ...first]
}
