import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeStream } from '../../src/tokenizer/decode-stream.js'
import { openTokenizer, type Tokenizer } from '../../src/tokenizer/tokenizer.js'
import { directoryOf, tinySentencePieceJson, tinyTokenizer } from './support.js'

function stream(tokenizer: Tokenizer, ids: ArrayLike<number>, skipSpecialTokens = false): string[] {
  const decoder = decodeStream(tokenizer, { skipSpecialTokens })
  return [...Array.from(ids, id => decoder.push(id)), decoder.end()]
}

describe('decodeStream', () => {
  it('gives an emoji out with its last byte, and nothing before', async () => {
    const tokenizer = await openTokenizer(directoryOf({ 'tokenizer.json': tinyTokenizer() }), { engine: 'js' })
    const bytes = Array.from(Buffer.from('\ud83e\udd99'), byte => byte + 2)
    const a = tokenizer.tokenToId('a')!
    expect(stream(tokenizer, [a, ...bytes, a])).toEqual(['a', '', '', '', '\ud83e\udd99', 'a', ''])
    expect(stream(tokenizer, [a, ...bytes.slice(0, 2)])).toEqual(['a', '', '', '\ufffd'])
  })

  it('keeps the spaces of SentencePiece and joins its byte pieces', async () => {
    const tokenizer = await openTokenizer(directoryOf({ 'tokenizer.json': tinySentencePieceJson() }), { engine: 'js' })
    const id = (token: string) => tokenizer.tokenToId(token)!
    const ids = [id('<s>'), id('\u2581abc'), id('\u2581abc'), id('\u2581'), id('<0xC3>'), id('<0xA9>'), id('b')]
    expect(stream(tokenizer, ids, true)).toEqual(['', 'abc', ' abc', ' ', '', '\u00e9', 'b', ''])
  })

  it.each([
    ['byte-level', tinyTokenizer],
    ['SentencePiece-like', tinySentencePieceJson],
  ])('joined gives the whole text, never with half a character: %s', async (_name, make) => {
    const tokenizer = await openTokenizer(directoryOf({ 'tokenizer.json': make() }), { engine: 'js' })
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 30 }), text => {
        const ids = tokenizer.encode(text, { addSpecialTokens: true })
        const pieces = stream(tokenizer, ids)
        expect(pieces.join('')).toBe(tokenizer.decode(ids))
        if (!text.includes('\ufffd')) expect(pieces.join('|')).not.toContain('\ufffd')
      }),
      { numRuns: 300 },
    )
  })

  it('joined gives the whole text for any ids of a byte-level vocabulary, whole UTF-8 or not', async () => {
    const tokenizer = await openTokenizer(directoryOf({ 'tokenizer.json': tinyTokenizer() }), { engine: 'js' })
    fc.assert(
      fc.property(fc.array(fc.nat(289), { maxLength: 40 }), ids => {
        expect(stream(tokenizer, ids).join('')).toBe(tokenizer.decode(ids))
      }),
      { numRuns: 500 },
    )
  })
})
