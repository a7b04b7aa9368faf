import type { Probe } from '../data/probe.js'
import type { MetricInput } from '../train/metric-record.js'
import { pairedDelta } from './confidence.js'
import { bitsPerByte, type Evaluator, meanNats, type ProbeScores } from './evaluator.js'

/** Where in the run a measurement is made. */
export interface RunPosition {
  readonly step: number
  readonly tokens: number
  readonly seconds: number
}

/** Measures forgetting during a run: each probe now, against the same probe before the first step. */
export class ForgettingMonitor {
  readonly #evaluator: Evaluator
  readonly #probes: readonly Probe[]
  readonly #baseline = new Map<string, ProbeScores>()

  /** @param evaluator of the model that is trained */
  constructor(evaluator: Evaluator, probes: readonly Probe[]) {
    this.#evaluator = evaluator
    this.#probes = probes
  }

  /** Scores all probes with the model as it is now, and takes that as step 0. Call before training, and before a checkpoint is restored. */
  async setBaseline(signal?: AbortSignal): Promise<void> {
    for (const probe of this.#probes) this.#baseline.set(probe.name, await this.#score(probe, signal))
  }

  /** One `probe` record a probe, and one `contribution` record a probe and new block. */
  async measure(position: RunPosition, signal?: AbortSignal): Promise<MetricInput[]> {
    const records: MetricInput[] = []
    for (const probe of this.#probes) {
      const baseline = this.#baseline.get(probe.name)
      // before the first step the model is the baseline, and need not be scored again
      const scores = position.step === 0 && baseline ? baseline : await this.#score(probe, signal)
      const delta = pairedDelta(baseline ?? scores, scores)
      records.push({
        kind: 'probe',
        ...position,
        probe: probe.name,
        lossNats: meanNats(scores),
        bitsPerByte: bitsPerByte(scores, probe.bytesScored),
        deltaNats: delta.mean,
        deltaLow: delta.low,
        deltaHigh: delta.high,
        klToBaseNats: scores.klToBaseNats,
        unshifted: scores.shift?.unshifted ?? null,
        marginal: scores.shift?.marginal ?? null,
        shifted: scores.shift?.shifted ?? null,
        tokensScored: probe.tokensScored,
        bytesScored: probe.bytesScored,
      })
      for (const [layer, ratio] of scores.contributions) {
        records.push({ kind: 'contribution', ...position, probe: probe.name, layer, ratio })
      }
    }
    return records
  }

  #score(probe: Probe, signal?: AbortSignal): Promise<ProbeScores> {
    return this.#evaluator.score(probe, signal ? { signal } : {})
  }
}
