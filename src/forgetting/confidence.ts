import { LabError } from '../util/errors.js'
import type { ProbeScores } from './evaluator.js'
import { studentT95 } from './student-t.js'

/** A change of mean loss in nats per token with its 95 % confidence band; the ends are null where there is none. */
export interface Delta {
  readonly mean: number
  readonly low: number | null
  readonly high: number | null
}

/**
 * Change of the mean loss between two passes over the same probe, paired token by token, with a band that treats
 * documents as the unit of sampling (tokens of a document are not independent): the linearised variance of a ratio,
 * K/(K-1) sum_k (sum of residuals of document k)^2 / N^2, times the quantile of Student's t with K-1 degrees of freedom.
 * A probe of one document has no band: nothing says how documents differ.
 */
export function pairedDelta(before: ProbeScores, after: ProbeScores): Delta {
  const n = before.nats.length
  if (after.nats.length !== n)
    throw new LabError('PROBE', `expected ${n} scored tokens as before, got ${after.nats.length}`)
  const differences = after.nats.map((x, i) => x - before.nats[i]!)
  const mean = differences.reduce((a, b) => a + b, 0) / n
  const residuals = new Map<number, number>()
  differences.forEach((d, i) => {
    const document = before.documents[i]!
    residuals.set(document, (residuals.get(document) ?? 0) + d - mean)
  })
  const K = residuals.size
  if (K < 2) return { mean, low: null, high: null }
  const squares = [...residuals.values()].reduce((total, r) => total + r * r, 0)
  const half = (studentT95(K - 1) * Math.sqrt((K / (K - 1)) * squares)) / n
  return { mean, low: mean - half, high: mean + half }
}
