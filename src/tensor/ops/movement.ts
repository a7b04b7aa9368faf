import { LabError } from '../../util/errors.js'
import type { DType } from '../dtype.js'
import { apply, defineOp, type Tensor } from '../graph.js'
import { scalar } from '../leaf.js'
import { broadcastShapes, equalShapes, formatShape, normalizeAxis, type Shape, shapeError, sizeOf } from '../shape.js'

const reshapeOp = defineOp({
  name: 'reshape',
  infer: (inputs, attrs) => [{ shape: attrs['shape'] as Shape, dtype: inputs[0]!.dtype }],
})

/** The same elements in row-major order under another shape; one dimension may be -1 and is worked out. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const target = [...shape]
  const open = target.indexOf(-1)
  if (open >= 0) target[open] = sizeOf(x.shape) / -sizeOf(target)
  if (sizeOf(target) !== sizeOf(x.shape) || target.some(d => !Number.isInteger(d) || d < 0)) {
    throw shapeError('reshape', [x.shape, shape], `${sizeOf(x.shape)} elements on both sides`)
  }
  return equalShapes(target, x.shape) ? x : apply(reshapeOp, [x], { shape: target })
}

const permuteOp = defineOp({
  name: 'permute',
  infer(inputs, attrs) {
    const { shape, dtype } = inputs[0]!
    return [{ shape: (attrs['axes'] as number[]).map(axis => shape[axis]!), dtype }]
  },
})

/** Dimension i of the result is dimension `axes[i]` of x. */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  const sorted = [...axes].sort((a, b) => a - b)
  if (sorted.length !== x.rank || sorted.some((axis, i) => axis !== i)) {
    throw new LabError(
      'SHAPE',
      `permute: axes ${formatShape(axes)} are not an order of the dimensions of ${formatShape(x.shape)}`,
    )
  }
  return axes.every((axis, i) => axis === i) ? x : apply(permuteOp, [x], { axes: [...axes] })
}

/** Swaps the last two dimensions (or the two given). */
export function transpose(x: Tensor, a = -2, b = -1): Tensor {
  const axes = x.shape.map((_, i) => i)
  const i = normalizeAxis('transpose', a, x.shape)
  const j = normalizeAxis('transpose', b, x.shape)
  axes[i] = j
  axes[j] = i
  return permute(x, axes)
}

const expandOp = defineOp({
  name: 'expand',
  infer: (inputs, attrs) => [{ shape: attrs['shape'] as Shape, dtype: inputs[0]!.dtype }],
})

/** Repeats dimensions of size 1 (and missing leading ones) up to `shape`. */
export function expand(x: Tensor, shape: Shape): Tensor {
  if (!equalShapes(broadcastShapes('expand', x.shape, shape), shape)) {
    throw shapeError('expand', [x.shape, shape], 'the first to broadcast to the second')
  }
  return equalShapes(x.shape, shape) ? x : apply(expandOp, [x], { shape: [...shape] })
}

/** Every element `value`. */
export function full(shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  return expand(scalar(value, dtype), shape)
}

export function zeros(shape: Shape, dtype: DType = 'f32'): Tensor {
  return full(shape, 0, dtype)
}

export function ones(shape: Shape, dtype: DType = 'f32'): Tensor {
  return full(shape, 1, dtype)
}

const sliceOp = defineOp({
  name: 'slice',
  infer(inputs, attrs) {
    const { shape, dtype } = inputs[0]!
    const out = [...shape]
    out[attrs['axis'] as number] = (attrs['end'] as number) - (attrs['start'] as number)
    return [{ shape: out, dtype }]
  },
})

/** Elements `start <= i < end` along one axis; a negative `end` counts from the back. */
export function slice(
  x: Tensor,
  axis: number,
  start: number,
  end: number = x.shape[normalizeAxis('slice', axis, x.shape)]!,
): Tensor {
  const a = normalizeAxis('slice', axis, x.shape)
  const length = x.shape[a]!
  const stop = end < 0 ? end + length : end
  const isRange = Number.isInteger(start) && Number.isInteger(stop) && 0 <= start && start <= stop && stop <= length
  if (!isRange) {
    throw new LabError('SHAPE', `slice: [${start}, ${end}) is outside axis ${a} of shape ${formatShape(x.shape)}`)
  }
  return start === 0 && stop === length ? x : apply(sliceOp, [x], { axis: a, start, end: stop })
}

const concatOp = defineOp({
  name: 'concat',
  infer(inputs, attrs) {
    const axis = attrs['axis'] as number
    const out = [...inputs[0]!.shape]
    out[axis] = inputs.reduce((sum, { shape }) => sum + shape[axis]!, 0)
    return [{ shape: out, dtype: inputs[0]!.dtype }]
  },
})

/** The tensors one after another along an axis; all other dimensions equal. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const [first] = tensors
  if (!first) throw new LabError('SHAPE', 'concat: expected at least one tensor')
  const a = normalizeAxis('concat', axis, first.shape)
  for (const t of tensors) {
    const fits =
      t.rank === first.rank && t.dtype === first.dtype && t.shape.every((d, i) => i === a || d === first.shape[i])
    if (!fits) throw shapeError('concat', [first.shape, t.shape], `one dtype and dimensions equal but for axis ${a}`)
  }
  return tensors.length === 1 ? first : apply(concatOp, tensors, { axis: a })
}

const padOp = defineOp({
  name: 'pad',
  infer(inputs, attrs) {
    const { shape, dtype } = inputs[0]!
    const out = [...shape]
    out[attrs['axis'] as number]! += (attrs['before'] as number) + (attrs['after'] as number)
    return [{ shape: out, dtype }]
  },
})

/** Zeros before and after along one axis. */
export function pad(x: Tensor, axis: number, before: number, after: number): Tensor {
  const a = normalizeAxis('pad', axis, x.shape)
  if (![before, after].every(n => Number.isInteger(n) && n >= 0)) {
    throw new LabError('SHAPE', `pad: expected counts of zeros, got ${before} before and ${after} after axis ${a}`)
  }
  return before === 0 && after === 0 ? x : apply(padOp, [x], { axis: a, before, after })
}
