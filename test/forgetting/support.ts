import type { MetricInput, MetricRecord, ProbeRecord } from '../../src/train/metrics.js'

const at = (step: number) => ({ step, tokens: step * 100, seconds: step * 2 })

/** A probe evaluation of 100 tokens in 400 bytes with a band of 0.1 nats to both sides. */
export function probe(step: number, name: string, deltaNats: number, more: Partial<ProbeRecord> = {}): MetricInput {
  const lossNats = 3 + deltaNats
  const band = { deltaLow: deltaNats - 0.1, deltaHigh: deltaNats + 0.1 }
  const shift = { klToBaseNats: null, unshifted: null, marginal: null, shifted: null }
  const scored = { tokensScored: 100, bytesScored: 400, bitsPerByte: lossNats / 4 / Math.LN2 }
  return { kind: 'probe', ...at(step), probe: name, lossNats, deltaNats, ...band, ...shift, ...scored, ...more }
}

export function train(step: number, lossNats: number, mix: Record<string, number> = {}): MetricInput {
  return { kind: 'train', ...at(step), lossNats, lr: 1e-3, gradNorm: 1, tokensPerSec: 50, rssBytes: 1e9, mix }
}

export function contribution(step: number, layer: number, ratio: number): MetricInput {
  return { kind: 'contribution', ...at(step), probe: 'general', layer, ratio }
}

export function event(step: number, name: string): MetricInput {
  return { kind: 'event', ...at(step), name, detail: { at: step } }
}

/** Records numbered as a writer would. */
export function numbered(inputs: MetricInput[]): MetricRecord[] {
  return inputs.map((input, seq) => ({ ...input, seq }) as MetricRecord)
}
