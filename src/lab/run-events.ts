/** What a run tells while it goes on and when it has ended. */
import type { QuantizedWeight } from '../checkpoint/load-model.js'
import type { SourceReport } from '../data/loader.js'
import type { MetricRecord, ProbeRecord } from '../train/metric-record.js'
import type { Recipe } from '../train/recipe.js'

/** What a run tells while it goes on; a front decides what to show. */
export interface RunEvents {
  /** One line: what is being done. */
  status: { message: string }
  /** Long work before the first step (a download); it is over when `done` equals `total`. */
  progress: { label: string; done: number; total: number; unit: 'bytes' | 'count' }
  engine: { description: string }
  /** The recipe with all defaults, as a value and as YAML. */
  resolved: { recipe: Recipe; yaml: string }
  layerMap: { text: string }
  trainable: { text: string }
  /** Frozen weights that were rounded to 8 or 4 bits, and what that has cost: each, and the worst of each name as text. */
  quantized: { text: string; weights: readonly QuantizedWeight[] }
  memory: { text: string; needBytes: number; availableBytes: number }
  warning: { message: string }
  /** Every line of metrics.jsonl as it is written. */
  record: MetricRecord
  checkpoint: { step: number }
  /** The bytes of all frozen tensors before and after the run. */
  frozen: { tensors: number; equal: boolean }
}

/** The names of {@link RunEvents}. */
export const runEventNames = [
  'status',
  'progress',
  'engine',
  'resolved',
  'layerMap',
  'trainable',
  'quantized',
  'memory',
  'warning',
  'record',
  'checkpoint',
  'frozen',
] as const satisfies readonly (keyof RunEvents)[]

export interface RunResult {
  readonly status: 'done' | 'interrupted'
  readonly step: number
  readonly steps: number
  readonly tokens: number
  readonly seconds: number
  /** The trained model as a Hugging Face directory; null when interrupted. */
  readonly modelDir: string | null
  readonly probes: readonly ProbeSummary[]
  /** What was read of every source since the start of the run, and what of it was left out; empty when it did not come to training. */
  readonly sources: readonly SourceReport[]
}

export interface ProbeSummary {
  readonly probe: string
  readonly bitsPerByteBefore: number
  readonly bitsPerByteAfter: number
  /** Change of the loss in nats per token since step 0, with its 95 % band; null for a probe of one document. */
  readonly deltaNats: number
  readonly deltaLow: number | null
  readonly deltaHigh: number | null
}

/** First and last record of every probe. */
export function summarize(records: readonly MetricRecord[]): ProbeSummary[] {
  const first = new Map<string, ProbeRecord>()
  const last = new Map<string, ProbeRecord>()
  for (const record of records) {
    if (record.kind !== 'probe') continue
    if (!first.has(record.probe)) first.set(record.probe, record)
    last.set(record.probe, record)
  }
  return [...last.values()].map(({ probe, bitsPerByte, deltaNats, deltaLow, deltaHigh }) => ({
    probe,
    bitsPerByteBefore: first.get(probe)!.bitsPerByte,
    bitsPerByteAfter: bitsPerByte,
    deltaNats,
    deltaLow,
    deltaHigh,
  }))
}
