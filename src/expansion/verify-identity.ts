import { forward, logitsOf } from '../model/forward.js'
import type { Model } from '../model/model.js'
import type { Tensor } from '../tensor/graph.js'
import { input } from '../tensor/leaf.js'
import { runOnce } from '../tensor/program.js'

/** What comparing a base and its expansion found. */
export interface IdentityReport {
  /** Logits equal bit for bit at every position of every row, and finite. */
  readonly identical: boolean
  /** Largest difference of two logits over the positions at which all are finite; null when there is no such position. */
  readonly maxAbsDiff: number | null
  /** Positions compared. */
  readonly positions: number
  /** Positions with a logit that is not finite, in either model: 0 times infinity is not 0, so an overflow inside a copied block breaks the identity. */
  readonly nonFinite: number
}

/**
 * Runs both models over the same tokens on the same engine and compares their logits (LLaMA Pro, arXiv 2401.02415,
 * section 3.2: an identity copy leaves the function as it is).
 * @param rows token ids, at least one row of at least one token
 * @param options.gates of blocks of the expanded model that are not fully on
 * @param options.signal looked at before every row; its reason is thrown
 */
export async function verifyIdentity(
  base: Model,
  expanded: Model,
  rows: readonly Int32Array[],
  { gates = new Map(), signal }: { gates?: ReadonlyMap<number, Tensor>; signal?: AbortSignal | undefined } = {},
): Promise<IdentityReport> {
  let maxAbsDiff: number | null = null
  let positions = 0
  let nonFinite = 0
  for (const ids of rows) {
    signal?.throwIfAborted()
    const [before, after] = await Promise.all([logitsFor(base, ids, new Map()), logitsFor(expanded, ids, gates)])
    const width = before.length / ids.length
    for (let t = 0; t < ids.length; t++) {
      const [from, to] = [t * width, (t + 1) * width]
      const difference = largestDifference(before.subarray(from, to), after.subarray(from, to))
      if (difference === null) nonFinite++
      else maxAbsDiff = Math.max(maxAbsDiff ?? 0, difference)
    }
    positions += ids.length
  }
  return { identical: maxAbsDiff === 0 && nonFinite === 0, maxAbsDiff, positions, nonFinite }
}

/** max |a - b| of two rows of logits; null when one of them is not finite. */
function largestDifference(a: Float32Array, b: Float32Array): number | null {
  let largest = 0
  for (const [i, x] of a.entries()) {
    const difference = Math.abs(x - b[i]!)
    if (!Number.isFinite(difference)) return null
    if (difference > largest) largest = difference
  }
  return largest
}

async function logitsFor(
  { config, weights, engine }: Model,
  ids: Int32Array,
  gates: ReadonlyMap<number, Tensor>,
): Promise<Float32Array> {
  const { hidden } = forward(config, weights, input('ids', [1, ids.length], 'i32'), { gates })
  const { logits } = await runOnce({ outputs: { logits: logitsOf(config, weights, hidden) }, engine }, { ids })
  return logits as Float32Array
}
