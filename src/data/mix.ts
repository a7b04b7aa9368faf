import { LabError } from '../util/errors.js'
import type { TokenDocument, TokenStream } from './token-stream.js'
import type { WindowShuffleState } from './window-shuffle.js'

/** Position of a mix: tokens taken from each source, and the position of each source. */
export interface MixState {
  tokens: number[]
  sources: WindowShuffleState[]
}

/** A document with the source it came from and the position of the mix before it. */
export interface MixedDocument {
  source: number
  document: TokenDocument
  before: MixState
}

/**
 * Weights as shares that sum to 1.
 * @throws LabError `MIX_WEIGHT` for a weight that is not a positive finite number
 */
export function mixShares(weights: { name: string; weight: number }[]): number[] {
  for (const { name, weight } of weights)
    if (!(weight > 0 && Number.isFinite(weight)))
      throw new LabError(
        'MIX_WEIGHT',
        `source ${name}: expected a weight above 0, got ${weight}; leave the source out instead`,
      )
  const total = weights.reduce((sum, { weight }) => sum + weight, 0)
  return weights.map(({ weight }) => weight / total)
}

/**
 * The source with the largest deficit share_i * sum(tokens) - tokens_i; the first of equals. Taken document by document, no source is
 * ever more than one of its own documents above its share, nor more than one document of each other source below it.
 */
export function pickSource(shares: readonly number[], tokens: readonly number[]): number {
  const total = tokens.reduce((sum, n) => sum + n, 0)
  let best = 0
  let bestDeficit = Number.NEGATIVE_INFINITY
  for (let i = 0; i < shares.length; i++) {
    const deficit = shares[i]! * total - tokens[i]!
    if (deficit > bestDeficit) [best, bestDeficit] = [i, deficit]
  }
  return best
}

/** Merges token streams by {@link pickSource}: deterministic, without draws, in units of tokens (special tokens included). */
export class TokenMix {
  readonly #streams: TokenStream[]
  readonly #shares: number[]
  #tokens: number[]

  constructor(streams: TokenStream[], shares: number[]) {
    this.#streams = streams
    this.#shares = shares
    this.#tokens = shares.map(() => 0)
  }

  state(): MixState {
    return { tokens: [...this.#tokens], sources: this.#streams.map(stream => stream.state()) }
  }

  async restore(state: MixState): Promise<void> {
    this.#tokens = [...state.tokens]
    await Promise.all(this.#streams.map((stream, i) => stream.restore(state.sources[i]!)))
  }

  async next(): Promise<MixedDocument> {
    // all sources read their first windows at once, not each when it is first due
    for (const stream of this.#streams) stream.readAhead()
    const before = this.state()
    const source = pickSource(this.#shares, this.#tokens)
    const document = await this.#streams[source]!.next()
    this.#tokens[source]! += document.tokens.length
    return { source, document, before }
  }

  async close(): Promise<void> {
    await Promise.all(this.#streams.map(stream => stream.close()))
  }
}
