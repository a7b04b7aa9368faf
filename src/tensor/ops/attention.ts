/**
 * Causal scaled-dot-product attention with grouped keys and values.
 * Shapes: B batch, H query heads, K key/value heads (H = K * G), T queries, S keys, D head dim.
 */
import { LabError } from '../../util/errors.js'
import {
  type Attrs,
  apply,
  applyOp,
  defineOp,
  defineVjp,
  requireDtype,
  type Tensor,
  type TensorSpec,
} from '../graph.js'
import { iota, scalar } from '../leaf.js'
import { shapeError } from '../shape.js'
import { add, and, greater, lessOrEqual, mul, sub, where } from './elementwise.js'
import { matmul } from './matmul.js'
import { concat, pad, reshape, slice } from './movement.js'
import { sum } from './reduce.js'
import { softmax } from './softmax.js'

/** Queries handled together: keys after the chunk's last query are never multiplied. */
const CHUNK = 128
/** Added to the score of a key that a query must not see; far below any score, yet finite. */
const MASKED = -1e30

export interface AttentionOptions {
  /** Factor on the scores (default 1/sqrt(D)). */
  scale?: number
  /** A query sees only the last `window` keys up to its own (Mistral); null = all earlier ones. */
  window?: number | null
  /** Position of query 0 among the keys: a number, or an i32 scalar known at run time (KV cache). Default S - T. */
  start?: number | Tensor
}

const attentionOp = defineOp({
  name: 'attention',
  infer: inputs => [checkAttention('attention', inputs)],
  decompose(inputs, attrs) {
    const [q, k, v] = inputs as [Tensor, Tensor, Tensor]
    return [
      concat(
        chunksOf(q, k, attrs).map(c => weighted(c, probabilities(c, q, k, attrs, inputs[3]), v)),
        2,
      ),
    ]
  },
})

const attentionGradOp = defineOp({
  name: 'attentionGrad',
  infer: inputs => inputs.slice(0, 3),
  decompose: (inputs, attrs) => attentionGradients(inputs, attrs),
})

defineVjp('attention', ({ inputs, outputs, grads, attrs }) => {
  if (inputs.length > 3) throw new LabError('NO_GRADIENT', 'attention: no gradient with a start known only at run time')
  return applyOp(attentionGradOp, [...inputs, outputs[0]!, grads[0]!], attrs)
})

/**
 * softmax(q k^T * scale + causal mask) v.
 * @param q `[B, H, T, D]`; k and v `[B, K, S, D]`, each shared by H/K query heads. Returns `[B, H, T, D]`.
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  const {
    scale = 1 / Math.sqrt(q.shape[3] ?? 1),
    window = null,
    start = (k.shape[2] ?? 0) - (q.shape[2] ?? 0),
  } = options
  const dynamic = typeof start !== 'number'
  return apply(attentionOp, dynamic ? [q, k, v, start] : [q, k, v], { scale, window, start: dynamic ? null : start })
}

function checkAttention(op: string, inputs: readonly TensorSpec[]): TensorSpec {
  const [q, k, v] = inputs as [TensorSpec, TensorSpec, TensorSpec]
  requireDtype(op, [q, k, v], ['f32'])
  const fits =
    q.shape.length === 4 &&
    k.shape.length === 4 &&
    k.shape.every((d, i) => d === v.shape[i]) &&
    q.shape[0] === k.shape[0] &&
    q.shape[1]! % k.shape[1]! === 0 &&
    q.shape[3] === k.shape[3]
  if (!fits)
    throw shapeError(op, [q.shape, k.shape, v.shape], 'q [B, H, T, D], k and v [B, K, S, D] with H a multiple of K')
  if ([...q.shape, ...k.shape].includes(0))
    throw shapeError(op, [q.shape, k.shape, v.shape], 'at least one query, key and element of each')
  return q
}

/** Queries `from..to` and the keys `low..high` that any of them may see. */
interface Chunk {
  readonly from: number
  readonly to: number
  readonly low: number
  readonly high: number
}

function chunksOf(q: Tensor, k: Tensor, attrs: Attrs): Chunk[] {
  const T = q.shape[2]!
  const S = k.shape[2]!
  const start = attrs['start'] as number | null
  if (start === null) return [{ from: 0, to: T, low: 0, high: S }]
  const window = attrs['window'] as number | null
  const size = T >= 2 * CHUNK ? CHUNK : T
  const chunks: Chunk[] = []
  for (let from = 0; from < T; from += size) {
    const to = Math.min(T, from + size)
    const low = window === null ? 0 : Math.max(0, start + from - window + 1)
    chunks.push({ from, to, low, high: Math.min(S, start + to) })
  }
  return chunks
}

/** Heads that share keys become one taller matrix: [B, H, t, D] -> [B, K, G t, D] (free: H = K G is contiguous). */
function grouped(x: Tensor, keyHeads: number): Tensor {
  const [B, H, t, D] = x.shape as [number, number, number, number]
  return reshape(x, [B, keyHeads, (H / keyHeads) * t, D])
}

function ungrouped(x: Tensor, heads: number, time: number): Tensor {
  return reshape(x, [x.shape[0]!, heads, time, x.shape[3]!])
}

function queriesOf(c: Chunk, q: Tensor, keyHeads: number): Tensor {
  return grouped(slice(q, 2, c.from, c.to), keyHeads)
}

function keysOf(c: Chunk, k: Tensor): Tensor {
  return slice(k, 2, c.low, c.high)
}

/** Softmax of the masked scores, [B, K, G t, s]. Both directions build exactly this, so an engine computes it once. */
function probabilities(c: Chunk, q: Tensor, k: Tensor, attrs: Attrs, start: Tensor | undefined): Tensor {
  const [B, H] = q.shape as [number, number]
  const K = k.shape[1]!
  const scores = matmul(queriesOf(c, q, K), keysOf(c, k), { transB: true, alpha: attrs['scale'] as number })
  const time = c.to - c.from
  const width = c.high - c.low
  const split = reshape(scores, [B, K, H / K, time, width])
  return reshape(softmax(add(split, maskBias(c, attrs, start))), scores.shape)
}

/** 0 where query i may see key j, {@link MASKED} elsewhere: j <= p and j > p - window, with p the query's position. */
function maskBias(c: Chunk, attrs: Attrs, start: Tensor | undefined): Tensor {
  const first = start ?? scalar((attrs['start'] as number) + c.from, 'i32')
  const position = add(reshape(iota(c.to - c.from), [-1, 1]), first)
  const key = add(reshape(iota(c.high - c.low), [1, -1]), c.low)
  const window = attrs['window'] as number | null
  const causal = lessOrEqual(key, position)
  return where(window === null ? causal : and(causal, greater(key, sub(position, window))), 0, MASKED)
}

function weighted(c: Chunk, p: Tensor, v: Tensor): Tensor {
  const time = c.to - c.from
  return ungrouped(matmul(p, keysOf(c, v)), (p.shape[1]! * p.shape[2]!) / time, time)
}

/** dS = P * (dP - sum(dO * O)), dQ = scale dS K, dK = scale dS^T Q, dV = P^T dO, chunk by chunk. */
function attentionGradients(inputs: readonly Tensor[], attrs: Attrs): Tensor[] {
  const [q, k, v, o, dO] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor]
  const alpha = attrs['scale'] as number
  const [K, S] = [k.shape[1]!, k.shape[2]!]
  const dqs: Tensor[] = []
  let dk: Tensor | null = null
  let dv: Tensor | null = null
  const accumulate = (total: Tensor | null, part: Tensor, c: Chunk) => {
    const padded = pad(part, 2, c.low, S - c.high)
    return total ? add(total, padded) : padded
  }
  for (const c of chunksOf(q, k, attrs)) {
    const p = probabilities(c, q, k, attrs, undefined)
    const g = queriesOf(c, dO, K)
    const delta = sum(mul(g, queriesOf(c, o, K)), -1, { keepDims: true })
    const ds = mul(p, sub(matmul(g, keysOf(c, v), { transB: true }), delta))
    dqs.push(ungrouped(matmul(ds, keysOf(c, k), { alpha }), q.shape[1]!, c.to - c.from))
    dk = accumulate(dk, matmul(ds, queriesOf(c, q, K), { transA: true, alpha }), c)
    dv = accumulate(dv, matmul(p, g, { transA: true }), c)
  }
  return [concat(dqs, 2), dk!, dv!]
}
