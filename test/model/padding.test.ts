/** The padding token as transformers has it: its embedding gets no gradient from the input side. */
import { afterAll, describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { parseModelConfig } from '../../src/model/config.js'
import { forward, headWeight } from '../../src/model/forward.js'
import type { Model } from '../../src/model/model.js'
import { grad } from '../../src/tensor/autograd.js'
import { fromHost } from '../../src/tensor/leaf.js'
import { linearCrossEntropy } from '../../src/tensor/ops/cross-entropy.js'
import { mean } from '../../src/tensor/ops/reduce.js'
import { realize } from '../../src/tensor/program.js'
import { tinyJson } from '../support/configs.js'
import { tinyModel } from '../support/tiny-model.js'

const engine = new ReferenceEngine()
afterAll(() => engine.dispose())

const pad = 3
const ids = () => fromHost(Int32Array.from([5, pad, 7, pad, 2, 5]), [2, 3], 'i32')
const targets = () => fromHost(Int32Array.from([pad, 7, 1, 2, 5, pad]), [6], 'i32')

/** Rows of the gradients of the embedding and of the head (the same when tied). */
async function gradients({ config, weights }: Pick<Model, 'config' | 'weights'>) {
  const { hidden } = forward(config, weights, ids())
  const loss = mean(linearCrossEntropy(hidden, headWeight(config, weights), targets()))
  const paths = ['model.embed_tokens.weight', ...(config.tieWordEmbeddings ? [] : ['lm_head.weight'])]
  const found = await realize(grad(loss, paths.map(weights)), { engine })
  const C = config.hiddenSize
  return found.map(values =>
    Array.from({ length: config.vocabSize }, (_, row) => [...values.slice(row * C, row * C + C)]),
  )
}

describe('the embedding of the padding token', () => {
  it('gets no gradient from the input side; all other rows get theirs', async () => {
    const plain = tinyModel(engine, { changes: { tie_word_embeddings: false } })
    const [embedding, head] = await gradients(plain)
    const [padded, paddedHead] = await gradients({
      ...plain,
      weights: plain.weights,
      config: { ...plain.config, padTokenId: pad },
    })
    expect(embedding![pad]!.some(value => value !== 0)).toBe(true)
    expect(padded![pad]!.every(value => value === 0)).toBe(true)
    expect(padded!.filter((_, row) => row !== pad)).toEqual(embedding!.filter((_, row) => row !== pad))
    expect(paddedHead).toEqual(head)
  })

  it('is still trained by the loss through a tied head', async () => {
    const tied = tinyModel(engine, { changes: { tie_word_embeddings: true } })
    const config = { ...tied.config, padTokenId: pad }
    const [whole] = await gradients(tied)
    const [both] = await gradients({ weights: tied.weights, config })
    // a head of its own with the same values shows that side alone
    const head = tinyModel(engine, { changes: { tie_word_embeddings: true } }).weights('model.embed_tokens.weight')
    const { hidden } = forward(tied.config, tied.weights, ids())
    const [headSide] = await realize(grad(mean(linearCrossEntropy(hidden, head, targets())), [head]), { engine })
    const C = config.hiddenSize
    const expected = [...headSide!.slice(pad * C, pad * C + C)]
    expect(expected.some(value => value !== 0)).toBe(true)
    expect(Math.max(...both![pad]!.map((value, i) => Math.abs(value - expected[i]!)))).toBeLessThan(1e-9)
    expect(both![pad]).not.toEqual(whole![pad])
  })
})

describe('pad_token_id', () => {
  it.each([
    [undefined, null],
    [null, null],
    [0, 0],
    [-1, 15],
  ])('%s is read as %s', (value, expected) => {
    const json = tinyJson({ vocab_size: 16, ...(value === undefined ? {} : { pad_token_id: value }) })
    expect(parseModelConfig(json).padTokenId).toBe(expected)
  })

  it.each([16, -17, 1.5, [2]])('%j is refused, as torch refuses it', value => {
    expect(() => parseModelConfig(tinyJson({ vocab_size: 16, pad_token_id: value }))).toThrow(/pad_token_id/)
  })
})
