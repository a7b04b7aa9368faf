import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlockingEncoder } from '../../src/tokenizer/rust-blocking.js'
import { openTokenizer, type Tokenizer } from '../../src/tokenizer/tokenizer.js'
import type { TokenizerJson } from '../../src/tokenizer/tokenizer-json.js'
import { directoryOf, tinySentencePieceJson, tinyTokenizer } from './support.js'

async function bothEngines(json: TokenizerJson): Promise<[rust: Tokenizer, js: Tokenizer]> {
  const directory = directoryOf({ 'tokenizer.json': json })
  return [await openTokenizer(directory, { engine: 'rust' }), await openTokenizer(directory, { engine: 'js' })]
}

/** Any well-formed text, with more of what tokenizers trip over than chance would give. */
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 8 }),
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom(
        ' ',
        '  ',
        '\n',
        '\r\n',
        '\t',
        '\u0085',
        '\ufeff',
        '\u00a0',
        "'s",
        "it's",
        '\u2581',
        '12',
        '\u0664',
      ),
      fc.constantFrom('the', ' the', '\u65e5\u672c', '\ud83d\ude00', '\u0000', '<|begin_of_text|>', '<s>', 'abc'),
    ),
    { maxLength: 12 },
  )
  .map(parts => parts.join('').replace(/\p{Surrogate}/gu, '\ufffd'))

describe('both engines', () => {
  it('are lossless and equal on any text with a byte-level vocabulary', async () => {
    const [rust, js] = await bothEngines(tinyTokenizer())
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 8 }), fc.boolean(), async (texts, addSpecialTokens) => {
        const ids = await rust.encodeBatch(texts, { addSpecialTokens })
        expect(await js.encodeBatch(texts, { addSpecialTokens })).toEqual(ids)
        for (const [i, list] of ids.entries()) {
          const plain = addSpecialTokens ? list.subarray(1) : list
          expect(rust.decode(plain)).toBe(texts[i])
          expect(js.decode(plain)).toBe(texts[i])
        }
      }),
      { numRuns: 200 },
    )
  })

  it('are equal on any text with a SentencePiece-like vocabulary', async () => {
    const [rust, js] = await bothEngines(tinySentencePieceJson())
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 8 }), async texts => {
        const ids = await rust.encodeBatch(texts)
        expect(await js.encodeBatch(texts)).toEqual(ids)
        for (const list of ids) expect(js.decode(list)).toBe(rust.decode(list))
      }),
      { numRuns: 200 },
    )
  })

  it.each([
    ['byte-level', tinyTokenizer()],
    ['SentencePiece-like', tinySentencePieceJson()],
    ['Metaspace', { ...tinySentencePieceJson(), decoder: { type: 'Metaspace', replacement: '\u2581', split: false } }],
  ])('decode any ids alike: %s', async (_name, json) => {
    const [rust, js] = await bothEngines(json as TokenizerJson)
    const id = fc.oneof(fc.nat(rust.vocabSize - 1), fc.constantFrom(0, 1, 5, 259, 264, 267, 9999))
    fc.assert(
      fc.property(fc.array(id, { maxLength: 20 }), fc.boolean(), (ids, skipSpecialTokens) => {
        expect(js.decode(ids, { skipSpecialTokens })).toBe(rust.decode(ids, { skipSpecialTokens }))
      }),
      { numRuns: 500 },
    )
  })

  it('answer the same about tokens, and encode one text as they encode a batch', async () => {
    const engines = await bothEngines(tinyTokenizer())
    for (const tokenizer of engines) {
      expect([tokenizer.vocabSize, tokenizer.bosTokenId, tokenizer.eosTokenId]).toEqual([290, 0, null])
      expect([tokenizer.tokenToId('<|end_of_text|>'), tokenizer.tokenToId('constructor')]).toEqual([1, null])
      expect([tokenizer.idToToken(1), tokenizer.idToToken(290), tokenizer.idToToken(-1)]).toEqual([
        '<|end_of_text|>',
        null,
        null,
      ])
      const [batch] = await tokenizer.encodeBatch(['the \ud83d\ude00 sea'], { addSpecialTokens: true })
      expect(tokenizer.encode('the \ud83d\ude00 sea', { addSpecialTokens: true })).toEqual(batch)
      expect(tokenizer.encode('')).toEqual(new Int32Array(0))
      expect(tokenizer.decode([])).toBe('')
      expect(tokenizer.encode('a\ud800b')).toEqual(tokenizer.encode('a\ufffdb'))
      expect(() => tokenizer.decode([1, -1])).toThrow(/id 1: expected a non-negative integer, got -1/)
    }
    expect(engines[0].hash).toBe(engines[1].hash)
    expect(engines[0].hash).toMatch(/^[0-9a-f]{64}$/)
  })

  it('never truncate or pad, whatever the file says', async () => {
    const json = tinyTokenizer()
    json['truncation'] = { direction: 'Right', max_length: 4, strategy: 'LongestFirst', stride: 0 }
    json['padding'] = { strategy: { Fixed: 64 }, direction: 'Right', pad_id: 0, pad_type_id: 0, pad_token: '!' }
    for (const tokenizer of await bothEngines(json)) {
      const [ids] = await tokenizer.encodeBatch(['the sea and the sea and 12345'])
      expect(tokenizer.decode(ids!)).toBe('the sea and the sea and 12345')
    }
  })

  it('know the digits and spaces of Unicode in files that use Digits and the GPT-2 pattern', async () => {
    const json = {
      ...tinyTokenizer(),
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Digits', individual_digits: true },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
        ],
      },
    }
    const [rust, js] = await bothEngines(json)
    await fc.assert(
      fc.asyncProperty(fc.array(text, { maxLength: 8 }), async texts => {
        expect(await js.encodeBatch(texts)).toEqual(await rust.encodeBatch(texts))
      }),
    )
  })
})

it('the native engine called at once: an answer that comes too late is not taken for the next text', async () => {
  const json = tinyTokenizer()
  const [rust] = await bothEngines(json)
  const owner = {}
  const encoder = new BlockingEncoder(owner, JSON.stringify(json))
  // the thread has not even started by then
  for (const late of ['the sea and the', 'sea'])
    expect(() => encoder.encode(late, false, 1)).toThrow(/no answer within 0\.001 s/)
  for (const now of ['12345', ' the', ''])
    expect(encoder.encode(now, false)).toEqual((await rust.encodeBatch([now]))[0])
  expect(owner).toEqual({}) // reachable until here, so that the thread is
})

describe('the JavaScript engine', () => {
  const split = (pattern: string, behavior = 'Isolated', invert = false) => ({
    pre_tokenizer: { type: 'Split', pattern: { Regex: pattern }, behavior, invert },
  })
  it.each([
    ['\\G', split('\\Ga')],
    ['atomic group', split('(?>a+)b')],
    ['possessive', split('a++b')],
    ['MergedWithPrevious', split('a', 'MergedWithPrevious')],
    ['Isolated, inverted', split('a', 'Isolated', true)],
    ['Metaspace with split', { pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: 'always' } }],
    ['pre-tokenizer Punctuation', { pre_tokenizer: { type: 'Punctuation', behavior: 'Isolated' } }],
    ['normalizer Lowercase', { normalizer: { type: 'Lowercase' } }],
    ['decoder WordPiece', { decoder: { type: 'WordPiece', prefix: '##', cleanup: true } }],
    ['Unsupported', split('[[.a.]]')],
    ['model WordLevel', { model: { type: 'WordLevel', vocab: { a: 0 }, unk_token: 'a' } }],
  ])('refuses what it cannot express: %s', async (what, change) => {
    const directory = directoryOf({ 'tokenizer.json': { ...tinyTokenizer(), ...change } })
    await expect(openTokenizer(directory, { engine: 'js' })).rejects.toMatchObject({
      code: 'TOKENIZER_ENGINE',
      message: expect.stringContaining(what),
    })
  })
})
