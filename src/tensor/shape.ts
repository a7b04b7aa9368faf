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

/** Whether two shapes broadcast: dimensions aligned from the right, equal or 1. */
export function canBroadcast(a: Shape, b: Shape): boolean {
  const rank = Math.min(a.length, b.length)
  return Array.from({ length: rank }).every((_, i) => {
    const [x, y] = [a[a.length - 1 - i], b[b.length - 1 - i]]
    return x === y || x === 1 || y === 1
  })
}

/**
 * The shape that both operands broadcast to, by NumPy's rule: dimensions aligned from the right, equal or 1.
 * @throws LabError SHAPE naming `op` and both shapes
 */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  if (!canBroadcast(a, b)) throw shapeError(op, [a, b], 'dimensions equal or 1, aligned from the right')
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1]
    return x === 1 ? y : x
  })
}

/** An axis counted from the end when negative, checked against the rank. */
export function normalizeAxis(op: string, axis: number, shape: Shape): number {
  const normal = axis < 0 ? axis + shape.length : axis
  if (!Number.isInteger(normal) || normal < 0 || normal >= shape.length) {
    throw new LabError('SHAPE', `${op}: axis ${axis} is outside a tensor of shape ${formatShape(shape)}`)
  }
  return normal
}
