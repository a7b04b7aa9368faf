import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/dataset.js'
import { documentHash } from '../../src/data/document-id.js'
import { openProbe } from '../../src/data/probe.js'
import {
  bytesTokenizer,
  dataset,
  decodeBytes,
  sampleTexts,
  takeBatches,
  temporaryFolder,
  withLoader,
  writeShard,
} from './helpers.js'

const folder = temporaryFolder()
const texts = sampleTexts('a', 6)
let manifest: Dataset

beforeAll(async () => {
  writeShard(folder, 'a.jsonl.zst', texts)
  writeShard(folder, 'a-none.jsonl.gz', [])
  manifest = await dataset(folder, { name: 'held-out', files: '*.{zst,gz}' })
})

const open = (options: object = {}) =>
  openProbe({ name: 'p', manifest, maxTokens: 1e6, seqLen: 16, ...bytesTokenizer, ...options })

describe('probe', () => {
  it('predicts every token of every document exactly once, each document alone, and counts its bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 70 }), fc.nat(69), async (seqLen, context) => {
        const probe = await open({ seqLen, contextTokens: context % seqLen })
        const scored = texts.map(() => [] as number[])
        for (const { inputIds, targets, documentIndex } of probe.rows) {
          expect([inputIds.length, targets.length]).toEqual([seqLen, seqLen])
          scored[documentIndex]!.push(...targets.filter(id => id >= 0))
          // where both are there, the input after is the target before
          for (let i = 1; i < seqLen; i++)
            if (targets[i]! >= 0 && targets[i - 1]! >= 0) expect(inputIds[i]).toBe(targets[i - 1])
        }
        expect(scored.map(decodeBytes)).toEqual(texts)
        expect(probe.tokensScored).toBe(scored.flat().length)
        expect(probe.bytesScored).toBe(Buffer.byteLength(texts.join('')))
        expect(probe.documentHashes).toEqual(new Set(texts.map(documentHash)))
      }),
      { numRuns: 30 },
    )
  })

  it('gives later windows the context they ask for', async () => {
    const { rows } = await open({ seqLen: 16, contextTokens: 6 })
    const [first, second] = rows.filter(row => row.documentIndex === 1)
    expect(first!.inputIds[0]).toBe(1)
    expect([...second!.inputIds.subarray(0, 6)]).toEqual([...first!.inputIds.subarray(10)])
    expect([...second!.targets.subarray(0, 6)]).toEqual([-1, -1, -1, -1, -1, -1])
    expect(second!.targets[6]).toBeGreaterThanOrEqual(3)
  })

  it('keeps maxTokens by cutting the last document at a character, and stays the same', async () => {
    for (const maxTokens of [1, 7, 30, 31, 32, 33, 100]) {
      const probe = await open({ maxTokens })
      expect(probe.tokensScored).toBeLessThanOrEqual(maxTokens)
      expect(probe.tokensScored).toBeGreaterThan(maxTokens - 2)
      const text = probe.rows.map(row => decodeBytes(row.targets.filter(id => id >= 0))).join('')
      expect(
        texts.join('').startsWith(decodeBytes(probe.rows.flatMap(row => [...row.targets].filter(id => id >= 0)))),
      ).toBe(true)
      expect(Buffer.byteLength(text)).toBeGreaterThan(0)
      expect(probe.bytesScored).toBe(probe.tokensScored)
      expect(await open({ maxTokens })).toEqual(probe)
    }
  })

  it('takes the beginnings of documents when asked, and excludes the whole documents', async () => {
    const probe = await open({ maxDocumentBytes: 8 })
    expect(probe.documents).toBe(6)
    expect(probe.bytesScored).toBeLessThanOrEqual(48)
    expect(probe.documentHashes).toEqual(new Set(texts.map(documentHash)))
  })

  it('predicts the first token from EOS where there is no BOS, and refuses a tokenizer with neither', async () => {
    const probe = await open({ bosTokenId: null })
    expect(probe.rows[0]!.inputIds[0]).toBe(2)
    expect(probe.bytesScored).toBe(Buffer.byteLength(texts.join('')))
    await expect(open({ bosTokenId: null, eosTokenId: null })).rejects.toMatchObject({ code: 'PROBE' })
  })

  it('documents of a probe are never trained on when their hashes are excluded', async () => {
    const probe = await open({ maxTokens: 60 })
    expect(probe.documents).toBeGreaterThan(1)
    const options = { sources: [{ manifest, weight: 1 }], excludeHashes: probe.documentHashes }
    await withLoader(options, async loader => {
      const trained = new Set((await takeBatches(loader, 30)).flatMap(batch => batch.provenance.map(p => p.record)))
      for (let i = 0; i < 6; i++) expect(trained.has(i)).toBe(i >= probe.documents)
    })
  })

  it.each([
    [{ maxTokens: 0 }, /maxTokens/],
    [{ seqLen: 0 }, /seqLen/],
    [{ contextTokens: 16 }, /contextTokens from 0 to 15/],
    [{ maxDocumentBytes: 3 }, /maxDocumentBytes/],
  ])('refuses %j', async (options, message) => {
    await expect(open(options)).rejects.toThrow(message)
  })

  it('a dataset without documents is an error', async () => {
    const none = await dataset(folder, { name: 'none', files: 'a-none.jsonl.gz' })
    await expect(open({ manifest: none })).rejects.toMatchObject({
      code: 'PROBE',
      message: expect.stringMatching(/dataset none has no document/),
    })
  })
})
