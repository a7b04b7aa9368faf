import type { LabError } from '../../util/errors.js'
import { apply, defineOp, type OpDef, requireDtype, type Tensor, type TensorSpec } from '../graph.js'
import { normalizeAxis, type Shape, shapeError, sizeOf } from '../shape.js'
import { mul } from './elementwise.js'
import { reshape } from './movement.js'

function reduceOp(name: string): OpDef {
  return defineOp({
    name,
    infer(inputs, attrs): TensorSpec[] {
      requireDtype(name, inputs, ['f32', 'i32'])
      const axes = attrs['axes'] as number[]
      const { shape, dtype } = inputs[0]!
      if (name === 'max' && axes.some(axis => shape[axis] === 0)) throw nothingIn(name, shape)
      return [{ shape: shape.map((d, i) => (axes.includes(i) ? 1 : d)), dtype }]
    },
  })
}

const sumOp = reduceOp('sum')
const maxOp = reduceOp('max')

export interface ReduceOptions {
  /** Keep the reduced dimensions as size 1 (default false). */
  keepDims?: boolean
}

function reduce(def: OpDef, x: Tensor, axes: number | readonly number[] | undefined, keepDims: boolean): Tensor {
  const list = axes === undefined ? x.shape.map((_, i) => i) : typeof axes === 'number' ? [axes] : axes
  const normal = [...new Set(list.map(axis => normalizeAxis(def.name, axis, x.shape)))].sort((a, b) => a - b)
  if (normal.length === 0) return x
  const out = apply(def, [x], { axes: normal })
  return keepDims ? out : reshape(out, withoutAxes(x.shape, normal))
}

function nothingIn(op: string, shape: Shape): LabError {
  return shapeError(op, [shape], 'at least one element along each axis it goes over')
}

function withoutAxes(shape: Shape, axes: readonly number[]): number[] {
  return shape.filter((_, i) => !axes.includes(i))
}

/** Sum over the axes (default all). */
export function sum(x: Tensor, axes?: number | readonly number[], { keepDims = false }: ReduceOptions = {}): Tensor {
  return reduce(sumOp, x, axes, keepDims)
}

/** Largest element over the axes (default all). @throws LabError SHAPE when an axis has no element */
export function max(x: Tensor, axes?: number | readonly number[], { keepDims = false }: ReduceOptions = {}): Tensor {
  return reduce(maxOp, x, axes, keepDims)
}

/** Arithmetic mean over the axes (default all). */
export function mean(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  const total = sum(x, axes, options)
  return mul(total, sizeOf(total.shape) / sizeOf(x.shape))
}

/** Sums a gradient back to the shape that had been broadcast. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const extra = x.rank - shape.length
  const axes = x.shape.map((_, i) => i).filter(i => i < extra || (shape[i - extra] === 1 && x.shape[i] !== 1))
  return axes.length === 0 ? x : reshape(sum(x, axes, { keepDims: true }), shape)
}

const argmaxOp = defineOp({
  name: 'argmax',
  infer(inputs) {
    requireDtype('argmax', inputs, ['f32'])
    if (inputs[0]!.shape[inputs[0]!.shape.length - 1] === 0) throw nothingIn('argmax', inputs[0]!.shape)
    return [{ shape: inputs[0]!.shape.slice(0, -1), dtype: 'i32' }]
  },
})

/** Index of the largest element along the last axis (the first one of equals), i32. */
export function argmax(x: Tensor): Tensor {
  return apply(argmaxOp, [x])
}
