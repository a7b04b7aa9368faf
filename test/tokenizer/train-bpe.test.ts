import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openTokenizer } from '../../src/tokenizer/tokenizer.js'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'
import { directoryOf, documents } from './support.js'

/** Textbook BPE on pieces that are single words: recount everything at every step. */
function slowMerges(words: string[], count: number): string[] {
  let pieces = words.map(word => Array.from(Buffer.from(word), byte => byte + 2))
  const names = new Map<number, string>()
  const merges: string[] = []
  for (let newId = 258; merges.length < count; newId++) {
    const counts = new Map<string, number>()
    for (const ids of pieces)
      for (let i = 0; i + 1 < ids.length; i++) {
        const key = `${ids[i]} ${ids[i + 1]}`
        counts.set(key, (counts.get(key) ?? 0) + 1)
      }
    const order = [...counts]
      .map(([key, n]) => ({ pair: key.split(' ').map(Number) as [number, number], n }))
      .sort((a, b) => b.n - a.n || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1])
    const best = order[0]
    if (!best || best.n < 2) break
    const name = (id: number) => names.get(id) ?? String.fromCharCode(id - 2)
    merges.push(`${name(best.pair[0])} ${name(best.pair[1])}`)
    names.set(newId, name(best.pair[0]) + name(best.pair[1]))
    pieces = pieces.map(ids => {
      const joined: number[] = []
      for (let i = 0; i < ids.length; i++) {
        const hit = ids[i] === best.pair[0] && ids[i + 1] === best.pair[1]
        joined.push(hit ? newId : ids[i]!)
        if (hit) i++
      }
      return joined
    })
  }
  return merges
}

describe('trainBpe', () => {
  it('makes the merges of a trainer that recounts all pairs at every step', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 12 })
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 30 }), words => {
        const expected = slowMerges(words, 12)
        const json = trainBpe(words, { vocabSize: 258 + expected.length })
        expect(json.model.merges).toEqual(expected)
      }),
      { numRuns: 200 },
    )
  })

  it('numbers special tokens, then bytes, then merges, and does not depend on the order of documents', () => {
    const json = trainBpe(documents, { vocabSize: 290 })
    expect(JSON.stringify(trainBpe([...documents].reverse(), { vocabSize: 290 }))).toBe(JSON.stringify(json))
    const vocab = json.model.vocab as Record<string, number>
    expect(Object.keys(vocab).length).toBe(290)
    expect([vocab['<|begin_of_text|>'], vocab['<|end_of_text|>'], vocab['!'], vocab['\u0120']]).toEqual([0, 1, 35, 34])
    expect(new Set(Object.values(vocab))).toEqual(new Set(Array.from({ length: 290 }, (_, id) => id)))
  })

  it('never joins two digits, and never a word with what follows it', async () => {
    const json = trainBpe(Array(20).fill('pi is 3141 and 3141, pi is 3141'), { vocabSize: 265 })
    const tokens = Object.keys(json.model.vocab)
    expect(tokens.filter(token => /\d./.test(token))).toEqual([])
    expect(tokens).toContain('\u0120is')
    const tokenizer = await openTokenizer(directoryOf({ 'tokenizer.json': json }), { engine: 'js' })
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId]).toEqual([0, null])
    expect(tokenizer.encode('31', { addSpecialTokens: true })).toEqual(Int32Array.of(0, 53, 51))
  })

  it('refuses a vocabulary that the text cannot fill and one that is too small', () => {
    expect(() => trainBpe(['ab ab'], { vocabSize: 400 })).toThrow(/vocabSize 400 asked for, but after 259 tokens/)
    expect(() => trainBpe(['ab'], { vocabSize: 257 })).toThrow(/integer from 258/)
    expect(() => trainBpe(['ab'], { vocabSize: 258, specialTokens: ['<a>', '<a>'] })).toThrow(/twice or empty/)
  })
})
