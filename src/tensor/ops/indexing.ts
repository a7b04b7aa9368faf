import { LabError } from '../../util/errors.js'
import { apply, defineOp, requireDtype, type Tensor } from '../graph.js'
import { iota } from '../leaf.js'
import { formatShape, normalizeAxis, shapeError } from '../shape.js'
import { dequantize, dequantizedFrom } from './dequantize.js'
import { cast, equal } from './elementwise.js'
import { reshape } from './movement.js'

const gatherOp = defineOp({
  name: 'gather',
  infer(inputs) {
    const [table, ids] = inputs as [Tensor, Tensor]
    requireDtype('gather', [ids], ['i32'])
    if (table.shape.length < 1)
      throw shapeError('gather', [table.shape, ids.shape], 'a table of at least one dimension')
    return [{ shape: [...ids.shape, ...table.shape.slice(1)], dtype: table.dtype }]
  },
})

export interface GatherOptions {
  /** The id whose row gets no gradient from here; default none. */
  paddingId?: number | null
}

/** Rows of `table` by id: `out[i, ...] = table[ids[i], ...]`. Ids outside the table are refused by the engine. */
export function gather(table: Tensor, ids: Tensor, { paddingId = null }: GatherOptions = {}): Tensor {
  return apply(gatherOp, [table, ids], paddingId === null ? {} : { paddingId })
}

/**
 * {@link gather} of a table that is perhaps converted from what is stored: the rows are taken first, then only they are
 * converted. Gradients flow to what is stored, not to the converted table.
 */
export function lookup(table: Tensor, ids: Tensor, options: GatherOptions = {}): Tensor {
  if (table.node.op === 'cast') return cast(lookup(table.node.inputs[0]!, ids, options), table.dtype)
  const stored = dequantizedFrom(table)
  if (!stored) return gather(table, ids, options)
  return dequantize(lookup(stored.codes, ids), lookup(stored.scales, ids), { bits: stored.bits })
}

const scatterAddOp = defineOp({
  name: 'scatterAdd',
  infer(inputs, attrs) {
    const [ids, rows] = inputs as [Tensor, Tensor]
    requireDtype('scatterAdd', [ids], ['i32'])
    requireDtype('scatterAdd', [rows], ['f32'])
    if (ids.shape.length !== 1 || rows.shape.length !== 2 || ids.shape[0] !== rows.shape[0]) {
      throw shapeError('scatterAdd', [ids.shape, rows.shape], 'ids [N] and rows [N, C]')
    }
    return [{ shape: [attrs['size'] as number, rows.shape[1]!], dtype: 'f32' }]
  },
})

/** A `[size, C]` tensor of zeros to which row i of `rows` has been added at `ids[i]`; the transpose of {@link gather}. */
export function scatterAdd(ids: Tensor, rows: Tensor, size: number): Tensor {
  return apply(scatterAddOp, [ids, rows], { size })
}

const gatherLastOp = defineOp({
  name: 'gatherLast',
  infer(inputs) {
    const [x, ids] = inputs as [Tensor, Tensor]
    requireDtype('gatherLast', [ids], ['i32'])
    const lead = x.shape.slice(0, -1)
    if (formatShape(lead) !== formatShape(ids.shape)) {
      throw shapeError('gatherLast', [x.shape, ids.shape], 'one id for every row of the last axis')
    }
    return [{ shape: ids.shape, dtype: x.dtype }]
  },
})

/** One element of every row: `out[...] = x[..., ids[...]]`. */
export function gatherLast(x: Tensor, ids: Tensor): Tensor {
  return apply(gatherLastOp, [x, ids])
}

const updateOp = defineOp({
  name: 'update',
  infer(inputs, attrs) {
    const [base, rows, positions] = inputs as [Tensor, Tensor, Tensor]
    requireDtype('update', [positions], ['i32'])
    const axis = attrs['axis'] as number
    const fits =
      base.dtype === rows.dtype &&
      base.shape.length === rows.shape.length &&
      rows.shape.every((d, i) => i === axis || d === base.shape[i])
    if (!fits || positions.shape.length !== 1 || positions.shape[0] !== rows.shape[axis]) {
      throw shapeError(
        'update',
        [base.shape, rows.shape, positions.shape],
        `equal dimensions but for axis ${axis}, one position a slice`,
      )
    }
    return [base]
  },
})

/** `base` with its slices at `positions` along `axis` replaced by those of `rows`. Positions must be distinct. */
export function update(base: Tensor, rows: Tensor, positions: Tensor, axis: number): Tensor {
  return apply(updateOp, [base, rows, positions], { axis: normalizeAxis('update', axis, base.shape) })
}

/** `[..., depth]` with 1 at each id and 0 elsewhere, f32. */
export function oneHot(ids: Tensor, depth: number): Tensor {
  if (ids.dtype !== 'i32') throw new LabError('DTYPE', `oneHot: expected i32 ids, got ${ids.dtype}`)
  return cast(equal(reshape(ids, [...ids.shape, 1]), iota(depth)), 'f32')
}
