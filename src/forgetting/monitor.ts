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
  readonly #start: Evaluator | null
  readonly #probes: readonly Probe[]
  readonly #baseline = new Map<string, ProbeScores>()

  /**
   * @param evaluator of the model that is trained
   * @param options.start of the base, for a model that does not start as it (default: the model itself at step 0)
   */
  constructor(evaluator: Evaluator, probes: readonly Probe[], { start = null }: { start?: Evaluator | null } = {}) {
    this.#evaluator = evaluator
    this.#start = start
    this.#probes = probes
  }

  /** Scores all probes with what the run starts from, and takes that as what changes are measured against. Call before training, and before a checkpoint is restored. */
  async setBaseline(signal?: AbortSignal): Promise<void> {
    for (const probe of this.#probes) {
      const scores = await (this.#start ?? this.#evaluator).score(probe, signal ? { signal } : {})
      this.#baseline.set(probe.name, scores)
    }
  }

  /** One `probe` record a probe, and one `contribution` record a probe and new block. */
  async measure(position: RunPosition, signal?: AbortSignal): Promise<MetricInput[]> {
    const records: MetricInput[] = []
    for (const probe of this.#probes) {
      const baseline = this.#baseline.get(probe.name)
      // before the first step a model that starts as its base is the baseline, and need not be scored again
      const isBaseline = position.step === 0 && this.#start === null
      const scores = isBaseline && baseline ? baseline : await this.#score(probe, signal)
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
