import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { openTokenizer } from '../../src/tokenizer/tokenizer.js'
import { directoryOf, tinyTokenizer } from './support.js'

const open = (files: Record<string, unknown>) => openTokenizer(directoryOf(files), { engine: 'rust' })

describe('special tokens', () => {
  it('come from tokenizer_config.json, then special_tokens_map.json, config.json and generation_config.json', async () => {
    const json = tinyTokenizer()
    const cases: [Record<string, unknown>, [number | null, number | null]][] = [
      [{}, [0, null]],
      [{ 'generation_config.json': { eos_token_id: [7, 8] } }, [0, 7]],
      [{ 'config.json': { bos_token_id: 5, eos_token_id: 6 }, 'generation_config.json': { eos_token_id: 7 } }, [5, 6]],
      [
        {
          'special_tokens_map.json': { eos_token: { content: '<|end_of_text|>', lstrip: false } },
          'config.json': { eos_token_id: 6 },
        },
        [0, 1],
      ],
      [
        { 'tokenizer_config.json': { bos_token: null, eos_token: '!' }, 'config.json': { bos_token_id: 5 } },
        [null, 35],
      ],
    ]
    for (const [files, expected] of cases) {
      const tokenizer = await open({ 'tokenizer.json': json, ...files })
      expect([tokenizer.bosTokenId, tokenizer.eosTokenId]).toEqual(expected)
    }
  })

  it('that the vocabulary lacks are an error', async () => {
    const json = tinyTokenizer()
    await expect(open({ 'tokenizer.json': json, 'tokenizer_config.json': { eos_token: '<gone>' } })).rejects.toThrow(
      /tokenizer_config.json: eos_token is "<gone>", which the vocabulary lacks/,
    )
    await expect(open({ 'tokenizer.json': json, 'config.json': { eos_token_id: 290 } })).rejects.toThrow(
      /config.json: eos_token_id is 290, which the vocabulary lacks/,
    )
  })

  it('that only tokenizer_config.json lists are added', async () => {
    const added = (id: number) => ({ added_tokens_decoder: { [id]: { content: '<|pad|>', special: true } } })
    const tokenizer = await open({ 'tokenizer.json': tinyTokenizer(), 'tokenizer_config.json': added(290) })
    expect(tokenizer.vocabSize).toBe(291)
    expect([...tokenizer.encode('<|pad|>')]).toEqual([290])
    await expect(open({ 'tokenizer.json': tinyTokenizer(), 'tokenizer_config.json': added(305) })).rejects.toThrow(
      /"<\|pad\|>" should have the id 305 but gets 290/,
    )
  })
})

describe('tokenizer files', () => {
  it('may be a directory, a file, or compressed', async () => {
    const json = tinyTokenizer()
    const directory = directoryOf({
      'tokenizer.json.gz': gzipSync(JSON.stringify(json)),
      'mine.json': json,
      'tokenizer_config.json': { eos_token: '!' },
    })
    const [a, b, c] = [directory, join(directory, 'tokenizer.json.gz'), join(directory, 'mine.json')].map(path =>
      openTokenizer(path),
    )
    expect([(await a!).eosTokenId, (await b!).eosTokenId, (await c!).eosTokenId]).toEqual([35, 35, null])
    expect(new Set([(await a!).hash, (await b!).hash, (await c!).hash]).size).toBe(1)
  })

  const json = tinyTokenizer()
  const model = json.model
  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ['nothing there', {}, 'TOKENIZER_MISSING', /expected tokenizer.json, .* found none/],
    ['not JSON', { 'tokenizer.json': '{"model": ' }, 'TOKENIZER_INVALID', /expected JSON/],
    ['a list', { 'tokenizer.json': [] }, 'TOKENIZER_INVALID', /expected a JSON object/],
    ['no model', { 'tokenizer.json': { version: '1.0' } }, 'TOKENIZER_INVALID', /expected an object "model"/],
    ['no vocabulary', { 'tokenizer.json': { model: {} } }, 'TOKENIZER_INVALID', /model\.vocab/],
    [
      'a fractional id',
      { 'tokenizer.json': { ...json, model: { ...model, vocab: { a: 0.5 } } } },
      'TOKENIZER_INVALID',
      /non-negative integer id for "a", got 0\.5/,
    ],
    [
      'an id twice',
      { 'tokenizer.json': { ...json, model: { ...model, vocab: { a: 1, b: 1 } } } },
      'TOKENIZER_INVALID',
      /tokens "a" and "b" share the id 1/,
    ],
    [
      'a broken added token',
      { 'tokenizer.json': { ...json, added_tokens: [{ content: 'x' }] } },
      'TOKENIZER_INVALID',
      /added_tokens\[0\]/,
    ],
    [
      'a merge outside the vocabulary',
      { 'tokenizer.json': { ...json, model: { ...model, merges: ['a zz'] } } },
      'TOKENIZER_INVALID',
      /vocabulary|refuses/,
    ],
    [
      'dropout',
      { 'tokenizer.json': { ...json, model: { ...model, dropout: 0.1 } } },
      'TOKENIZER_UNSUPPORTED',
      /dropout is 0\.1/,
    ],
    [
      'a truncated gzip',
      { 'tokenizer.json.gz': gzipSync(JSON.stringify(json)).subarray(0, 500) },
      'TOKENIZER_INVALID',
      /not a whole gzip file/,
    ],
    ['an unknown model file', { 'tokenizer.model': 'PK\u0003\u0004' }, 'TOKENIZER_UNSUPPORTED', /AutoTokenizer/],
    [
      'a broken side file',
      { 'tokenizer.json': json, 'config.json': '{' },
      'TOKENIZER_INVALID',
      /config.json: expected JSON/,
    ],
  ])('that are damaged are refused by both engines: %s', async (_name, files, code, message) => {
    for (const engine of ['rust', 'js'] as const) {
      const opened = openTokenizer(directoryOf(files), { engine })
      await expect(opened).rejects.toMatchObject({ name: 'LabError', code, message: expect.stringMatching(message) })
    }
    await expect(openTokenizer('/nowhere/tokenizer.json')).rejects.toMatchObject({ code: 'TOKENIZER_MISSING' })
  })
})
