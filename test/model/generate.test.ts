import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { forward, logitsOf } from '../../src/model/forward.js'
import { Decoder, type GenerateOptions, generate, sample } from '../../src/model/generate.js'
import type { Model } from '../../src/model/model.js'
import { fromHost } from '../../src/tensor/leaf.js'
import { realize } from '../../src/tensor/program.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { tinyModel } from '../support/tiny-model.js'

const engine = new OnnxEngine({ threads: 1 })
afterAll(() => engine.dispose())

type Sampling = Pick<GenerateOptions, 'temperature' | 'topK' | 'topP'>

const logits = Float32Array.of(2, 0.5, -1, 1, 0.5, -3, 1.5, 0)

/** How often each id is drawn in `draws` draws. */
function histogram(options: Sampling, draws: number, from = logits): number[] {
  const random = new Prng(keyOf('histogram', JSON.stringify(options)))
  const counts = Array.from(from, () => 0)
  for (let n = 0; n < draws; n++) counts[sample(from, options, random)]!++
  return counts
}

/** Probabilities of a softmax at a temperature over the ids kept, 0 for the others. */
function probabilities(temperature: number, kept: readonly number[] = [...logits.keys()]): number[] {
  const weights = Array.from(logits, (x, i) => (kept.includes(i) ? Math.exp(x / temperature) : 0))
  const total = weights.reduce((a, b) => a + b, 0)
  return weights.map(w => w / total)
}

function chiSquare(counts: readonly number[], expected: readonly number[]): number {
  const draws = counts.reduce((a, b) => a + b, 0)
  return counts.reduce((sum, count, i) => {
    const mean = draws * expected[i]!
    return mean === 0 ? sum + (count === 0 ? 0 : Number.POSITIVE_INFINITY) : sum + (count - mean) ** 2 / mean
  }, 0)
}

describe('sampling', () => {
  // 99.9 % points of chi-square with 7, 3 and 2 degrees of freedom; the draws are fixed, so a pass stays a pass
  it.each<[string, Sampling, number[], number]>([
    ['temperature 1', { temperature: 1 }, probabilities(1), 24.3],
    ['temperature 0.5', { temperature: 0.5 }, probabilities(0.5), 24.3],
    ['temperature 3', { temperature: 3 }, probabilities(3), 24.3],
    ['the 4 likeliest', { temperature: 1, topK: 4 }, probabilities(1, [0, 6, 3, 1]), 16.3],
    // 0: 0.38, 6: 0.23, 3: 0.14, together 0.75
    ['the smallest set that reaches 0.7', { temperature: 1, topP: 0.7 }, probabilities(1, [0, 6, 3]), 13.8],
    // of the 4 likeliest, renormalised, the first two have 0.67
    ['top-p after top-k', { temperature: 1, topK: 4, topP: 0.65 }, probabilities(1, [0, 6]), 10.8],
  ])('by %s follows its distribution', (_name, options, expected, bound) => {
    expect(chiSquare(histogram(options, 20_000), expected)).toBeLessThan(bound)
  })

  it('at temperature 0 takes the likeliest, the first of equals, and draws nothing', () => {
    const random = new Prng(keyOf('greedy'))
    expect(sample(logits, {}, random)).toBe(0)
    expect(sample(Float32Array.of(1, 3, 3, 2), { temperature: 0, topK: 2 }, random)).toBe(1)
    expect(random.counter).toBe(0)
  })

  it.each<[string, Sampling, number[]]>([
    ['top-k of one', { temperature: 2, topK: 1 }, [0]],
    ['top-k beyond the vocabulary', { temperature: 1, topK: 99 }, [0, 1, 2, 3, 4, 5, 6, 7]],
    ['top-p of next to nothing', { temperature: 1, topP: 1e-9 }, [0]],
    ['top-p of all', { temperature: 1, topP: 1 }, [0, 1, 2, 3, 4, 5, 6, 7]],
    ['a temperature of next to nothing', { temperature: 1e-6 }, [0]],
  ])('%s draws just from its set', (_name, options, ids) => {
    const counts = histogram(options, 4000)
    expect(counts.flatMap((count, id) => (count > 0 ? [id] : []))).toEqual(ids)
  })

  it('cuts between equals by id, so that a set has exactly k', () => {
    const even = new Float32Array(6)
    expect(histogram({ temperature: 1, topK: 3 }, 600, even).map(n => n > 0)).toEqual([1, 1, 1, 0, 0, 0].map(Boolean))
  })

  it('lives with minus infinity and with logits that overflow exp', () => {
    const masked = Float32Array.of(Number.NEGATIVE_INFINITY, 1, Number.NEGATIVE_INFINITY, 1)
    const counts = histogram({ temperature: 1 }, 1000, masked)
    expect([counts[0], counts[2]]).toEqual([0, 0])
    expect(Math.abs(counts[1]! - 500)).toBeLessThan(100)
    expect(histogram({ temperature: 1 }, 100, Float32Array.of(1e4, 1e4 - 200, 0))).toEqual([100, 0, 0])
  })

  it('always draws an id that exists and is among the k likeliest', () => {
    const vector = fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 30 })
    const options = fc.record({
      temperature: fc.double({ min: 0.01, max: 10, noNaN: true }),
      topK: fc.integer({ min: 0, max: 40 }),
      topP: fc.double({ min: 0, max: 1, minExcluded: true, noNaN: true }),
    })
    fc.assert(
      fc.property(vector, options, fc.integer(), (values, choice, seed) => {
        const id = sample(Float32Array.from(values), choice, new Prng(keyOf(seed)))
        expect(id).toBeGreaterThanOrEqual(0)
        expect(id).toBeLessThan(values.length)
        const better = values.filter(v => Math.fround(v) > Math.fround(values[id]!)).length
        expect(better).toBeLessThan(choice.topK > 0 ? choice.topK : values.length)
      }),
    )
  })
})

async function text(
  model: Model,
  prompt: ArrayLike<number>,
  options: Partial<GenerateOptions> = {},
): Promise<number[]> {
  const ids: number[] = []
  for await (const id of generate(model, prompt, { maxNewTokens: 12, stopIds: [], ...options })) ids.push(id)
  return ids
}

function randomPrompt(length: number): Int32Array {
  const random = new Prng(keyOf('prompt', length))
  return Int32Array.from({ length }, () => random.below(16))
}

/** Next-token logits after a whole text in one pass. */
async function logitsAfter(model: Model, ids: ArrayLike<number>): Promise<Float32Array> {
  const { hidden } = forward(model.config, model.weights, fromHost(Int32Array.from(ids), [1, ids.length], 'i32'))
  const [all] = await realize([logitsOf(model.config, model.weights, hidden)], { engine })
  return (all as Float32Array).slice(-model.config.vocabSize)
}

const changes = { max_position_embeddings: 256 }
const sliding = { ...changes, model_type: 'mistral', architectures: ['MistralForCausalLM'], sliding_window: 8 }

describe('generation', () => {
  describe.each([
    ['full attention', changes],
    ['a sliding window of 8', sliding],
  ])('with %s', (_name, config) => {
    const model = tinyModel(engine, { changes: config })

    // a chunk of the prompt is 32 tokens, a cache 64 rows at least
    it.each([1, 2, 31, 32, 33, 63, 64, 65, 97])(
      'a prompt of %i tokens: the cache gives the logits of a pass without it',
      async length => {
        const prompt = randomPrompt(length)
        const decoder = new Decoder(model, length + 3)
        let ours = (await decoder.feed(prompt)) as Float32Array
        const ids = [...prompt]
        for (let n = 0; n < 3; n++) {
          const theirs = await logitsAfter(model, ids)
          const worst = Math.max(...theirs.map((x, i) => Math.abs(x - ours[i]!)))
          expect(worst).toBeLessThan(2e-5)
          const next = theirs.indexOf(Math.max(...theirs))
          ids.push(next)
          ours = (await decoder.feed([next])) as Float32Array
        }
        decoder.dispose()
      },
    )

    it('greedy ids equal those of passes without a cache, over more than one cache row per chunk', async () => {
      const prompt = randomPrompt(40)
      const ids = [...prompt]
      for (let n = 0; n < 30; n++) {
        const next = await logitsAfter(model, ids)
        ids.push(next.indexOf(Math.max(...next)))
      }
      expect(await text(model, prompt, { maxNewTokens: 30 })).toEqual(ids.slice(40))
    })

    it('feeding a text in pieces is feeding it at once', async () => {
      const prompt = randomPrompt(70)
      const [whole, pieces] = [new Decoder(model, 70), new Decoder(model, 70)]
      const expected = await whole.feed(prompt)
      await pieces.feed(prompt.subarray(0, 5))
      await pieces.feed(prompt.subarray(5, 6))
      await pieces.feed(prompt.subarray(6, 45))
      const got = await pieces.feed(prompt.subarray(45))
      for (const [i, x] of expected.entries()) expect(got[i]).toBeCloseTo(x, 4)
      whole.dispose()
      pieces.dispose()
    })
  })

  const model = tinyModel(engine, { changes })

  it('with a seed is repeatable; with another seed it is another text', async () => {
    const prompt = randomPrompt(5)
    const options = { temperature: 1.5, maxNewTokens: 40 }
    const first = await text(model, prompt, { ...options, seed: 3 })
    expect(await text(model, prompt, { ...options, seed: 3 })).toEqual(first)
    expect(await text(model, prompt, { ...options, seed: 4 })).not.toEqual(first)
    expect(await text(model, prompt, options)).toEqual(await text(model, prompt, { ...options, seed: 0 }))
  })

  it('stops at a stop id, which is not part of the text', async () => {
    const prompt = randomPrompt(5)
    const full = await text(model, prompt, { maxNewTokens: 40, temperature: 1, seed: 1 })
    const stop = full[10]!
    const stopped = await text(model, prompt, { maxNewTokens: 40, temperature: 1, seed: 1, stopIds: [stop] })
    expect(stopped).toEqual(full.slice(0, full.indexOf(stop)))
  })

  it('frees its cache, also when it is left or aborted half-way', async () => {
    const before = (await engine.memory()).variableBytes
    const prompt = randomPrompt(5)
    for await (const id of generate(model, prompt, { maxNewTokens: 20, stopIds: [] })) {
      expect(id).toBeGreaterThanOrEqual(0)
      expect((await engine.memory()).variableBytes).toBeGreaterThan(before)
      break
    }
    expect((await engine.memory()).variableBytes).toBe(before)
    const controller = new AbortController()
    const run = async () => {
      for await (const _id of generate(model, prompt, { maxNewTokens: 20, stopIds: [], signal: controller.signal }))
        controller.abort()
    }
    await expect(run()).rejects.toMatchObject({ code: 'ABORTED' })
    expect((await engine.memory()).variableBytes).toBe(before)
  })

  it.each([
    ['an empty prompt', [], 5, /no tokens/],
    ['an id outside the vocabulary', [3, 16], 5, /token id 16 is outside the vocabulary of 16/],
    ['a negative id', [-1], 5, /token id -1/],
    ['more text than positions', [1, 2], 255, /2 prompt tokens and 255 new ones exceed the model's 256/],
  ])('refuses %s', async (_name, prompt, maxNewTokens, message) => {
    await expect(text(model, prompt, { maxNewTokens })).rejects.toMatchObject({
      code: 'GENERATE',
      message: expect.stringMatching(message),
    })
  })

  it.each<[string, Sampling, RegExp]>([
    ['topP 0', { temperature: 1, topP: 0 }, /topP above 0 .* got 0/],
    ['a temperature that is no number', { temperature: Number.NaN }, /temperature of 0 or more, got NaN/],
    ['a negative temperature', { temperature: -1 }, /temperature of 0 or more, got -1/],
    ['half a token', { temperature: 1, topK: 0.5 }, /topK as a count .* got 0.5/],
  ])('refuses %s', async (_name, options, message) => {
    await expect(text(model, [1, 2], { maxNewTokens: 1, ...options })).rejects.toThrow(message)
  })

  it('does not draw from logits that are not numbers', () => {
    const spoiled = Float32Array.of(1, Number.NaN, 2)
    for (const temperature of [0, 1])
      expect(() => sample(spoiled, { temperature }, new Prng(keyOf('x')))).toThrow(/weights are spoiled/)
  })

  it('fills all positions of the model', async () => {
    expect(await text(model, randomPrompt(200), { maxNewTokens: 56 })).toHaveLength(56)
  })
})
