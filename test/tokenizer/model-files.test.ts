import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { convertSentencePiece } from '../../src/tokenizer/sentencepiece.js'
import { convertTiktoken, llama3SpecialTokens, ranksToJson } from '../../src/tokenizer/tiktoken.js'
import { openTokenizer } from '../../src/tokenizer/tokenizer.js'
import { LabError } from '../../src/util/errors.js'
import { directoryOf } from './support.js'

const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)])
const numberField = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)]
const bytesField = (field: number, bytes: Iterable<number>): number[] => {
  const list = [...bytes]
  return [...varint(field * 8 + 2), ...varint(list.length), ...list]
}
const piece = (text: string, score: number, type: number): number[] =>
  bytesField(1, [
    ...bytesField(1, Buffer.from(text)),
    ...varint(2 * 8 + 5),
    ...new Uint8Array(Float32Array.of(score).buffer),
    ...numberField(3, type),
  ])

interface Changes {
  pieces?: number[][]
  modelType?: number
  normalizer?: number[]
  trainer?: number[]
}

/** A SentencePiece BPE model: unknown, control, byte pieces and a few words. */
function sentencePiece({ pieces = [], modelType = 2, normalizer = [], trainer = [] }: Changes = {}): Uint8Array {
  const byteName = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
  return Uint8Array.from([
    ...piece('<unk>', 0, 2),
    ...piece('<s>', 0, 3),
    ...piece('</s>', 0, 3),
    ...Array.from({ length: 256 }, (_, byte) => piece(byteName(byte), 0, 6)).flat(),
    ...['\u2581a', 'bc', '\u2581abc', 'b\ud83d\ude00', '\u2581', 'a', 'b', 'c', '\ud83d\ude00'].flatMap((text, i) =>
      piece(text, -i, 1),
    ),
    ...pieces.flat(),
    ...bytesField(2, [...numberField(3, modelType), ...numberField(35, 1), ...trainer]),
    ...bytesField(3, [...numberField(3, 1), ...numberField(4, 0), ...normalizer]),
  ])
}

describe('tokenizer.model, SentencePiece', () => {
  it('becomes a tokenizer with merges in order of score', async () => {
    const { json, bosTokenId, eosTokenId } = convertSentencePiece(sentencePiece(), 'm')
    expect(json.model.merges).toEqual([
      ['\u2581', 'a'],
      ['b', 'c'],
      ['\u2581a', 'bc'],
      ['b', '\ud83d\ude00'],
    ])
    expect([bosTokenId, eosTokenId]).toEqual([1, 2])
    for (const engine of ['rust', 'js'] as const) {
      const tokenizer = await openTokenizer(directoryOf({ 'tokenizer.model': sentencePiece() }), { engine })
      expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.vocabSize]).toEqual([1, 2, 268])
      const ids = tokenizer.encode('abc\u00e9 ab\ud83d\ude00', { addSpecialTokens: true })
      expect(Array.from(ids, id => tokenizer.idToToken(id))).toEqual([
        '<s>',
        '\u2581abc',
        '<0xC3>',
        '<0xA9>',
        '\u2581a',
        'b\ud83d\ude00',
      ])
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('abc\u00e9 ab\ud83d\ude00')
    }
  })

  it('has no BOS when the model says -1, and no leading space without the dummy prefix', async () => {
    const minusOne = [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]
    const bytes = sentencePiece({ trainer: [...varint(41 * 8), ...minusOne], normalizer: numberField(3, 0) })
    const tokenizer = await openTokenizer(directoryOf({ 'tokenizer.model': bytes }))
    expect([tokenizer.bosTokenId, tokenizer.eosTokenId]).toEqual([null, 2])
    expect(tokenizer.decode(tokenizer.encode('bc', { addSpecialTokens: true }))).toBe('bc')
    expect([...tokenizer.encode('bc')]).toEqual([tokenizer.tokenToId('bc')])
  })

  it.each<[string, Changes]>([
    ['model type unigram', { modelType: 1 }],
    ['a character normalisation map', { normalizer: bytesField(2, [1, 2, 3]) }],
    ['removal of extra spaces', { normalizer: numberField(4, 1) }],
    ['spaces that are not escaped', { normalizer: numberField(5, 0) }],
    ['spaces as suffixes', { trainer: numberField(24, 1) }],
    ['the user-defined or unused piece "<x>"', { pieces: [piece('<x>', 0, 4)] }],
  ])('of another kind is refused with the conversion to run: %s', (what, changes) => {
    expect(() => convertSentencePiece(sentencePiece(changes), 'm')).toThrow(
      expect.objectContaining({ code: 'TOKENIZER_UNSUPPORTED', message: expect.stringContaining(what) }),
    )
    expect(() => convertSentencePiece(sentencePiece(changes), 'm')).toThrow(/AutoTokenizer/)
  })

  it('that was cut short or changed anywhere is a LabError or a tokenizer, never another error', () => {
    const whole = sentencePiece()
    const attempt = (bytes: Uint8Array) => {
      try {
        convertSentencePiece(bytes, 'm')
      } catch (error) {
        expect(error).toBeInstanceOf(LabError)
      }
    }
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, value) => {
        attempt(whole.subarray(0, at))
        const changed = whole.slice()
        changed[at] = value
        attempt(changed)
      }),
      { numRuns: 300 },
    )
    expect(() => convertSentencePiece(whole.subarray(0, 1000), 'm')).toThrow(/m: not a whole SentencePiece model/)
  })
})

describe('tokenizer.model, tiktoken', () => {
  it('becomes a tokenizer with every cut of a token as a merge', async () => {
    const ranks = new Map(['a', 'b', 'c', 'bc', 'ab', 'abc'].map((token, i) => [token, i]))
    const { json, bosTokenId, eosTokenId } = ranksToJson(ranks, ['<bos>', '<eos>'], '\\s+|\\S+')
    expect(json.model.merges).toEqual([
      ['b', 'c'],
      ['a', 'b'],
      ['a', 'bc'],
      ['ab', 'c'],
    ])
    expect([bosTokenId, eosTokenId]).toEqual([6, 7])
    const tokenizer = await openTokenizer(directoryOf({ 'tokenizer.json': json }))
    expect([...tokenizer.encode('abcabab', { addSpecialTokens: true })]).toEqual([6, 5, 4, 4])
  })

  it('has the special tokens of Llama 3', () => {
    const tokens = llama3SpecialTokens()
    expect([tokens.length, new Set(tokens).size]).toEqual([256, 256])
    expect([tokens[0], tokens[1], tokens[9], tokens[255]]).toEqual([
      '<|begin_of_text|>',
      '<|end_of_text|>',
      '<|eot_id|>',
      '<|reserved_special_token_250|>',
    ])
  })

  it('with other than the ranks of Llama 3, or with a damaged line, is refused', async () => {
    await expect(openTokenizer(directoryOf({ 'tokenizer.model': 'IQ== 0\nIg== 1\n' }))).rejects.toMatchObject({
      code: 'TOKENIZER_UNSUPPORTED',
      message: expect.stringMatching(/expected the 128000 ranks of Llama 3, got 2;.*AutoTokenizer/s),
    })
    for (const text of ['IQ== 0\nIg==\n', 'IQ== 0\nIg== 2\n', 'IQ== 0\nIQ== 1\n', 'IQ== 0\n\u0001\n'])
      expect(() => convertTiktoken(Buffer.from(text), 'm')).toThrow(/m: line 2: expected "<base64 of a new token> 1"/)
  })
})
