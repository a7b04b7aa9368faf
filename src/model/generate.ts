/** Autoregressive generation with a KV cache that lives on the device. */

import { type HostArray, hostArray } from '../tensor/dtype.js'
import type { Tensor } from '../tensor/graph.js'
import { input } from '../tensor/leaf.js'
import { gather } from '../tensor/ops/indexing.js'
import { reshape } from '../tensor/ops/movement.js'
import { compile, type Program } from '../tensor/program.js'
import { Variable } from '../tensor/variable.js'
import { LabError } from '../util/errors.js'
import { keyOf, Prng } from '../util/prng.js'
import { forward, type LayerCache, logitsOf } from './forward.js'
import type { Model } from './model.js'

export interface GenerateOptions {
  /** Tokens to add at most. */
  maxNewTokens: number
  /** 0 = greedy (default). */
  temperature?: number
  /** Keep only the k likeliest tokens; 0 = all (default). */
  topK?: number
  /** Keep the smallest set of likeliest tokens whose probabilities reach p; 1 = all (default). */
  topP?: number
  /** Seed of the draws (default 0); equal seeds give equal texts. */
  seed?: number
  /** Ids that end the text (default: the config's). The one met is not part of the result. */
  stopIds?: readonly number[]
  /** Gates of blocks that are not fully on (default: all on). */
  gates?: ReadonlyMap<number, Tensor>
  signal?: AbortSignal
}

/** Prompt tokens written into the cache per program run. */
const PREFILL = 32

/** Smallest cache; it doubles, so that a few programs serve all lengths. */
const SMALLEST_CACHE = 64

/**
 * Continues `prompt`, yielding each new id as it is found.
 * @throws LabError GENERATE for an empty prompt, ids outside the vocabulary, a text beyond maxPositionEmbeddings, options
 * out of range, or logits that are not numbers
 */
export async function* generate(
  model: Model,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
): AsyncGenerator<number> {
  const { maxNewTokens, seed = 0, stopIds = model.config.eosTokenIds, gates, signal } = options
  checkPrompt(model, prompt, maxNewTokens)
  checkSampling(options)
  const decoder = new Decoder(model, prompt.length + maxNewTokens, gates)
  try {
    const random = new Prng(keyOf('generate', seed))
    let logits = await decoder.feed(prompt, signal)
    for (let n = 0; n < maxNewTokens; n++) {
      const id = sample(logits as Float32Array, options, random)
      if (stopIds.includes(id)) return
      yield id
      if (n + 1 < maxNewTokens) logits = await decoder.feed([id], signal)
    }
  } finally {
    decoder.dispose()
  }
}

/** Feeds tokens through the model one chunk at a time, keeping keys and values on the device. Owns the cache, not the model. */
export class Decoder {
  readonly #model: Model
  readonly #caches: { key: Variable; value: Variable }[]
  readonly #programs = new Map<number, Program<'logits'>>()
  #length = 0

  /** @param capacity tokens that the cache can hold at least */
  constructor(
    model: Model,
    capacity: number,
    readonly gates: ReadonlyMap<number, Tensor> = new Map(),
  ) {
    const { numKeyValueHeads, headDim, numHiddenLayers } = model.config
    let size = SMALLEST_CACHE
    while (size < capacity + PREFILL) size *= 2
    this.#model = model
    const make = (name: string) =>
      new Variable([1, numKeyValueHeads, size, headDim], 'f32', { kind: 'zeros' }, { engine: model.engine, name })
    this.#caches = Array.from({ length: numHiddenLayers }, (_, i) => ({
      key: make(`cache.${i}.key`),
      value: make(`cache.${i}.value`),
    }))
  }

  /** Takes in the ids that come next; resolves to the logits `[V]` after the last of them. */
  async feed(ids: ArrayLike<number>, signal?: AbortSignal): Promise<HostArray> {
    let logits: HostArray = new Float32Array(0)
    for (let at = 0; at < ids.length; ) {
      const count = Math.min(ids.length - at, PREFILL)
      const width = count === 1 ? 1 : PREFILL
      const chunk = hostArray('i32', width)
      // padding after the prompt's end is masked by causality, and its cache rows are overwritten by the tokens to come
      for (let i = 0; i < count; i++) chunk[i] = ids[at + i]!
      const inputs = { ids: chunk, start: this.#length, last: count - 1 }
      logits = (await this.#program(width).run(inputs, signal ? { signal } : {})).logits
      this.#length += count
      at += count
    }
    return logits
  }

  /** Frees the cache and lets the programs go. */
  dispose(): void {
    for (const program of this.#programs.values()) program.dispose()
    for (const { key, value } of this.#caches) {
      key.dispose()
      value.dispose()
    }
  }

  #program(width: number): Program<'logits'> {
    let program = this.#programs.get(width)
    if (!program) this.#programs.set(width, (program = this.#compile(width)))
    return program
  }

  #compile(width: number): Program<'logits'> {
    const { config, weights } = this.#model
    const layers: LayerCache[] = this.#caches.map(({ key, value }) => ({ key: key.value, value: value.value }))
    const caches = { layers, start: input('start', [], 'i32') }
    const result = forward(config, weights, input('ids', [1, width], 'i32'), { caches, gates: this.gates })
    const last = gather(result.hidden, reshape(input('last', [], 'i32'), [1]))
    const updates = result.caches.flatMap(({ key, value }, i) => [
      [this.#caches[i]!.key, key] as const,
      [this.#caches[i]!.value, value] as const,
    ])
    return compile({ outputs: { logits: logitsOf(config, weights, last) }, updates })
  }
}

/** Draws an id from logits by temperature, top-k and top-p, in this order; temperature 0 takes the likeliest (the first of equals). */
export function sample(
  logits: Float32Array,
  { temperature = 0, topK = 0, topP = 1 }: Pick<GenerateOptions, 'temperature' | 'topK' | 'topP'>,
  random: Prng,
): number {
  if (logits.some(Number.isNaN))
    throw new LabError(
      'GENERATE',
      'generate: the logits are not numbers, so the weights are spoiled (a diverged run?); load an intact checkpoint',
    )
  if (temperature <= 0) return logits.reduce((best, x, i) => (x > logits[best]! ? i : best), 0)
  const order = Uint32Array.from(logits, (_, i) => i).sort((a, b) => logits[b]! - logits[a]! || a - b)
  const kept = topK > 0 ? order.subarray(0, topK) : order
  const top = logits[kept[0]!]!
  const weights = Float64Array.from(kept, i => Math.exp((logits[i]! - top) / temperature))
  const total = weights.reduce((a, b) => a + b, 0)
  let count = 0
  for (let mass = 0; count < weights.length && mass < topP * total; count++) mass += weights[count]!
  let rest = random.uniform() * weights.subarray(0, count).reduce((a, b) => a + b, 0)
  for (let i = 0; i < count; i++) {
    rest -= weights[i]!
    if (rest < 0) return kept[i]!
  }
  return kept[count - 1]!
}

function checkSampling({ temperature = 0, topK = 0, topP = 1 }: GenerateOptions): void {
  const fail = (what: string, value: number) => new LabError('GENERATE', `generate: expected ${what}, got ${value}`)
  if (!(temperature >= 0 && Number.isFinite(temperature))) throw fail('a temperature of 0 or more', temperature)
  if (!(Number.isSafeInteger(topK) && topK >= 0)) throw fail('topK as a count of tokens (0 = all)', topK)
  if (!(topP > 0 && topP <= 1)) throw fail('topP above 0 and at most 1 (1 = all)', topP)
}

function checkPrompt({ config }: Model, prompt: ArrayLike<number>, maxNewTokens: number): void {
  if (prompt.length === 0)
    throw new LabError('GENERATE', 'generate: the prompt has no tokens; start from the BOS token at least')
  const bad = Array.from(prompt).find(id => !Number.isInteger(id) || id < 0 || id >= config.vocabSize)
  if (bad !== undefined)
    throw new LabError('GENERATE', `generate: token id ${bad} is outside the vocabulary of ${config.vocabSize}`)
  if (prompt.length + maxNewTokens > config.maxPositionEmbeddings) {
    throw new LabError(
      'GENERATE',
      `generate: ${prompt.length} prompt tokens and ${maxNewTokens} new ones exceed the model's ${config.maxPositionEmbeddings} positions; ask for fewer`,
    )
  }
}
