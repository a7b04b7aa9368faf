/** What every record carries: its number in the run, optimizer steps done, training tokens seen, seconds since the run started (continued over a resume). */
interface RecordHead {
  seq: number
  step: number
  tokens: number
  seconds: number
}

/**
 * One optimizer step. `lossNats` is the mean loss of a token in nats, `mix` the tokens served so far from each source, `lossScale` what the
 * loss was multiplied by (only in runs with loss scaling). After a step whose update was skipped comes an event `overflow`.
 */
export interface TrainRecord extends RecordHead {
  kind: 'train'
  lossNats: number
  lr: number
  gradNorm: number
  tokensPerSec: number
  rssBytes: number
  mix: Record<string, number>
  lossScale?: number
}

/**
 * One evaluation of a held-out set. `deltaNats` is `lossNats` minus its value at step 0, `deltaLow` and `deltaHigh` are the ends of its
 * confidence band in nats/token; `klToBaseNats` and the token-shift shares `unshifted`, `marginal`, `shifted` are null when not measured.
 */
export interface ProbeRecord extends RecordHead {
  kind: 'probe'
  probe: string
  lossNats: number
  bitsPerByte: number
  deltaNats: number
  deltaLow: number | null
  deltaHigh: number | null
  klToBaseNats: number | null
  unshifted: number | null
  marginal: number | null
  shifted: number | null
  tokensScored: number
  bytesScored: number
}

/** Norm of what an added block writes to the residual stream, divided by the norm of the stream it reads. */
export interface ContributionRecord extends RecordHead {
  kind: 'contribution'
  probe: string
  layer: number
  ratio: number
}

/**
 * L2 norm of the gradient of each trainable parameter, by its path, before clipping. `gradNorm` of the train record of the same step is
 * the root of the sum of their squares. Written at each of the first ten steps (where a new block's gradients appear one after the
 * other) and at every tenth step after them.
 */
export interface GradientRecord extends RecordHead {
  kind: 'gradient'
  norms: Record<string, number>
}

/**
 * Anything else worth keeping: `resumed`; `overflow`, an optimizer step that loss scaling has skipped, with the `lossScale` of that step
 * and of the next (`nextLossScale`); `left-out`, with a checkpoint since whose predecessor input was left out (bad, filtered, of the
 * probes): the counters of all `sources` since the start of the run, up to the window of documents that the next batch begins in.
 */
export interface EventRecord extends RecordHead {
  kind: 'event'
  name: string
  detail: Record<string, unknown>
}

/** One line of `metrics.jsonl`. */
export type MetricRecord = TrainRecord | ProbeRecord | ContributionRecord | GradientRecord | EventRecord

type WithoutSeq<R> = R extends unknown ? Omit<R, 'seq'> : never

/** A record as the trainer hands it over; the writer numbers it. */
export type MetricInput = WithoutSeq<MetricRecord>
