import { LabError } from '../util/errors.js'

/** Sizes of the dimensions, outermost first; `[]` is a scalar. */
export type Shape = readonly number[]

/** Number of elements: the product of the dimensions. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((n, d) => n * d, 1)
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`
}

export function equalShapes(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i])
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride
    stride *= shape[i]!
  }
  return strides
}

/** An error of an op whose operands do not fit; names the op and every shape. */
export function shapeError(op: string, shapes: readonly Shape[], expected: string): LabError {
  return new LabError(
    'SHAPE',
    `${op}: shapes ${shapes.map(formatShape).join(' and ')} do not fit; expected ${expected}`,
  )
}

/**
 * The shape that both operands broadcast to, by NumPy's rule: dimensions aligned from the right, equal or 1.
 * @throws LabError SHAPE naming `op` and both shapes
 */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length)
  const out = new Array<number>(rank)
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1
    const y = b[b.length - rank + i] ?? 1
    if (x !== y && x !== 1 && y !== 1) throw shapeError(op, [a, b], 'dimensions equal or 1, aligned from the right')
    out[i] = x === 1 ? y : x
  }
  return out
}

/** An axis counted from the end when negative, checked against the rank. */
export function normalizeAxis(op: string, axis: number, shape: Shape): number {
  const normal = axis < 0 ? axis + shape.length : axis
  if (!Number.isInteger(normal) || normal < 0 || normal >= shape.length) {
    throw new LabError('SHAPE', `${op}: axis ${axis} is outside a tensor of shape ${formatShape(shape)}`)
  }
  return normal
}
