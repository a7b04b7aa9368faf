import { apply, defineOp, requireDtype, type Tensor, type TensorSpec } from '../graph.js'
import { broadcastShapes, canBroadcast, type Shape, shapeError } from '../shape.js'
import { reshape } from './movement.js'

export interface MatmulOptions {
  /** Multiply by the transpose of a's (b's) last two dimensions. */
  transA?: boolean
  transB?: boolean
  /** Factor on the product (default 1). */
  alpha?: number
}

const matmulOp = defineOp({
  name: 'matmul',
  infer(inputs, attrs): TensorSpec[] {
    requireDtype('matmul', inputs, ['f32'])
    const [{ shape: a }, { shape: b }] = inputs as [TensorSpec, TensorSpec]
    return [{ shape: productShape(a, b, attrs['transA'] === true, attrs['transB'] === true), dtype: 'f32' }]
  },
})

/** The shape of a product of (batches of) matrices. @throws LabError SHAPE naming the operands as they were given */
function productShape(a: Shape, b: Shape, transA: boolean, transB: boolean, given: readonly Shape[] = [a, b]): Shape {
  const expected = 'two matrices (or batches of them) whose inner dimensions are equal'
  if (a.length < 2 || b.length < 2) throw shapeError('matmul', given, expected)
  const [m, k] = lastTwo(a, transA)
  const [k2, n] = lastTwo(b, transB)
  if (k !== k2) throw shapeError('matmul', given, `${expected} (here ${k} and ${k2})`)
  const [batchA, batchB] = [a.slice(0, -2), b.slice(0, -2)]
  if (!canBroadcast(batchA, batchB))
    throw shapeError('matmul', given, 'leading dimensions equal or 1, aligned from the right')
  return [...broadcastShapes('matmul', batchA, batchB), m, n]
}

function lastTwo(shape: readonly number[], swapped: boolean): [number, number] {
  const pair: [number, number] = [shape[shape.length - 2]!, shape[shape.length - 1]!]
  return swapped ? [pair[1], pair[0]] : pair
}

/**
 * `alpha * a @ b` over the last two dimensions, leading ones broadcast. A vector counts as a row on the left and as a
 * column on the right, and its dimension is dropped from the result.
 */
export function matmul(
  a: Tensor,
  b: Tensor,
  { transA = false, transB = false, alpha = 1 }: MatmulOptions = {},
): Tensor {
  const [rowA, columnB] = [a.rank === 1 ? [1, a.shape[0]!] : a.shape, b.rank === 1 ? [b.shape[0]!, 1] : b.shape]
  if (a.rank + b.rank > 2) productShape(rowA, columnB, transA && a.rank > 1, transB && b.rank > 1, [a.shape, b.shape])
  if (a.rank === 1 && b.rank >= 2) {
    const row = matmul(reshape(a, [1, -1]), b, { transB, alpha })
    return reshape(row, [...row.shape.slice(0, -2), row.shape[row.rank - 1]!])
  }
  if (b.rank === 1 && a.rank >= 2) {
    const column = matmul(a, reshape(b, [-1, 1]), { transA, alpha })
    return reshape(column, column.shape.slice(0, -1))
  }
  if (a.rank > 2 && b.rank === 2 && !transA) {
    // one tall matrix: a single large product, and a weight gradient that needs no sum over the batch
    const inner = a.shape[a.rank - 1]!
    const flat = matmul(reshape(a, [-1, inner]), b, { transB, alpha })
    return reshape(flat, [...a.shape.slice(0, -1), flat.shape[1]!])
  }
  return apply(matmulOp, [a, b], { transA, transB, alpha })
}
