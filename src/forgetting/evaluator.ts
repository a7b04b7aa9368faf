/** Scores a probe with a model: nats per token, and what has changed against the base, token by token. */
import type { Probe, ProbeRow } from '../data/probe.js'
import { newLayers, readProvenance } from '../expansion/provenance.js'
import { forward, headWeight, logitsOf } from '../model/forward.js'
import type { Model } from '../model/model.js'
import type { HostArray } from '../tensor/dtype.js'
import type { Tensor } from '../tensor/graph.js'
import { input } from '../tensor/leaf.js'
import { linearCrossEntropy } from '../tensor/ops/cross-entropy.js'
import { cast, div, exp, greater, maximum, mul, sqrt, sub } from '../tensor/ops/elementwise.js'
import { gatherLast } from '../tensor/ops/indexing.js'
import { reshape } from '../tensor/ops/movement.js'
import { argmax, sum } from '../tensor/ops/reduce.js'
import { logSoftmax } from '../tensor/ops/softmax.js'
import { compile, type Program } from '../tensor/program.js'
import type { BaseReference } from './reference.js'

/** What one pass over a probe finds. Token arrays hold scored tokens only, in the order of the probe's rows. */
export interface ProbeScores {
  /** Nats of each scored token. */
  readonly nats: Float64Array
  /** Document of each scored token. */
  readonly documents: Int32Array
  /** KL(base || model) in nats, mean over tokens; null without a base. */
  readonly klToBaseNats: number | null
  /** Shares of tokens whose greedy choice has rank 1, 2-3, more than 3 in the base (paper, appendix G); null without a base. */
  readonly shift: { readonly unshifted: number; readonly marginal: number; readonly shifted: number } | null
  /** For each new block: |block(x) - x| / |x|, mean over scored tokens. */
  readonly contributions: ReadonlyMap<number, number>
}

/** What of a model is needed to score with it. */
export type EvaluatedModel = Pick<Model, 'config' | 'weights' | 'engine'>

export interface EvaluatorOptions {
  /** T of the probes. */
  seqLen: number
  /** Compare with this base too (default: none). */
  base?: BaseReference | null
  /** Gates of blocks that are not fully on (default: all on). */
  gates?: ReadonlyMap<number, Tensor>
}

/** Bytes of f32 logits of one run of the program, both models together. */
const LOGITS_BYTES = 64e6

/**
 * Positions of one run: more leave a small CPU's caches, and fill up the last run of a probe with more rows that do not count. A GPU would
 * take more at once; it is idle a little between the runs of a small model.
 */
const POSITIONS = 512

type Output = 'nats' | 'kl' | 'rank' | `block.${number}`

/** Compiled once, run over any probe of the same row length. Owns its program only. */
export class Evaluator {
  readonly #program: Program<Output>
  readonly #rows: number
  readonly #seqLen: number
  readonly #layers: readonly number[]
  readonly #hasBase: boolean

  constructor(model: EvaluatedModel, { seqLen, base = null, gates = new Map() }: EvaluatorOptions) {
    const logitsBytes = 4 * model.config.vocabSize * seqLen * (base ? 2 : 1)
    this.#rows = Math.max(1, Math.min(16, Math.floor(POSITIONS / seqLen), Math.floor(LOGITS_BYTES / logitsBytes)))
    this.#seqLen = seqLen
    this.#layers = [...newLayers(readProvenance(model.config))].sort((a, b) => a - b)
    this.#hasBase = base !== null
    this.#program = compile({ outputs: this.#outputs(model, base, gates), engine: model.engine })
  }

  /** For estimating memory. */
  get program(): Program {
    return this.#program
  }

  /** Scores every row of a probe. */
  async score(
    probe: Probe,
    { signal, onRows }: { signal?: AbortSignal; onRows?: (done: number, total: number) => void } = {},
  ): Promise<ProbeScores> {
    const tally = new Tally(this.#layers)
    for (let at = 0; at < probe.rows.length; at += this.#rows) {
      signal?.throwIfAborted()
      const rows = probe.rows.slice(at, at + this.#rows)
      tally.add(await this.#program.run(this.#inputs(rows)), rows, this.#seqLen)
      onRows?.(Math.min(at + this.#rows, probe.rows.length), probe.rows.length)
    }
    return tally.finish(this.#hasBase)
  }

  /** Lets the program go. */
  dispose(): void {
    this.#program.dispose()
  }

  /** A group of rows, the last one repeated to the compiled height; repeated rows are not counted. */
  #inputs(rows: readonly ProbeRow[]): Record<string, Int32Array> {
    const size = this.#rows * this.#seqLen
    const inputIds = new Int32Array(size)
    const targets = new Int32Array(size)
    for (let r = 0; r < this.#rows; r++) {
      const row = rows[Math.min(r, rows.length - 1)]!
      inputIds.set(row.inputIds, r * this.#seqLen)
      targets.set(
        row.targets.map(t => Math.max(0, t)),
        r * this.#seqLen,
      )
    }
    return { inputIds, targets }
  }

  #outputs(
    model: EvaluatedModel,
    base: BaseReference | null,
    gates: ReadonlyMap<number, Tensor>,
  ): Record<Output, Tensor> {
    const { config, weights } = model
    const ids = input('inputIds', [this.#rows, this.#seqLen], 'i32')
    const targets = reshape(input('targets', [this.#rows, this.#seqLen], 'i32'), [this.#rows * this.#seqLen])
    const { hidden, stream } = forward(config, weights, ids, { gates })
    const nats = linearCrossEntropy(hidden, headWeight(config, weights), targets)
    const blocks = this.#layers.map(
      layer => [`block.${layer}`, contribution(stream[layer]!, stream[layer + 1]!)] as const,
    )
    const compared = base ? comparison(logitsOf(config, weights, hidden), baseLogits(base, ids)) : {}
    return { nats, ...compared, ...Object.fromEntries(blocks) } as Record<Output, Tensor>
  }
}

function baseLogits({ config, weights, options }: BaseReference, ids: Tensor): Tensor {
  return logitsOf(config, weights, forward(config, weights, ids, options).hidden)
}

/** KL(base || model) per token, and the rank in the base of the token that the model would choose. */
function comparison(logits: Tensor, base: Tensor): { kl: Tensor; rank: Tensor } {
  const logBase = logSoftmax(base)
  const kl = sum(mul(exp(logBase), sub(logBase, logSoftmax(logits))), -1)
  const chosen = reshape(gatherLast(base, argmax(logits)), [base.shape[0]!, 1])
  return { kl, rank: sum(cast(greater(base, chosen), 'f32'), -1) }
}

function contribution(before: Tensor, after: Tensor): Tensor {
  const norm = (x: Tensor) => sqrt(sum(mul(x, x), -1))
  return div(norm(sub(after, before)), maximum(norm(before), 1e-30))
}

/** Sums over scored tokens. */
class Tally {
  readonly #nats: number[] = []
  readonly #documents: number[] = []
  readonly #shift = { unshifted: 0, marginal: 0, shifted: 0 }
  readonly #blocks: Map<number, number>
  #kl = 0

  constructor(layers: readonly number[]) {
    this.#blocks = new Map(layers.map(layer => [layer, 0]))
  }

  add(results: Partial<Record<Output, HostArray>>, rows: readonly ProbeRow[], seqLen: number): void {
    rows.forEach((row, r) => {
      row.targets.forEach((target, t) => {
        if (target < 0) return
        const i = r * seqLen + t
        this.#nats.push(results.nats![i]!)
        this.#documents.push(row.documentIndex)
        for (const [layer, total] of this.#blocks) this.#blocks.set(layer, total + results[`block.${layer}`]![i]!)
        if (results.kl && results.rank) this.#compare(results.kl[i]!, results.rank[i]!)
      })
    })
  }

  #compare(kl: number, above: number): void {
    this.#kl += kl
    this.#shift[above === 0 ? 'unshifted' : above <= 2 ? 'marginal' : 'shifted']++
  }

  finish(hasBase: boolean): ProbeScores {
    const n = this.#nats.length
    const { unshifted, marginal, shifted } = this.#shift
    return {
      nats: Float64Array.from(this.#nats),
      documents: Int32Array.from(this.#documents),
      klToBaseNats: hasBase ? this.#kl / n : null,
      shift: hasBase ? { unshifted: unshifted / n, marginal: marginal / n, shifted: shifted / n } : null,
      contributions: new Map([...this.#blocks].map(([layer, total]) => [layer, total / n])),
    }
  }
}

/** Mean nats per token. */
export function meanNats({ nats }: Pick<ProbeScores, 'nats'>): number {
  return nats.reduce((a, b) => a + b, 0) / nats.length
}

/** Bits per UTF-8 byte of the scored text: comparable across tokenizers. */
export function bitsPerByte({ nats }: Pick<ProbeScores, 'nats'>, bytesScored: number): number {
  return nats.reduce((a, b) => a + b, 0) / Math.LN2 / bytesScored
}
