import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { resolveDataset } from '../../src/data/dataset.js'
import { documentHash } from '../../src/data/document-id.js'
import type { Batch } from '../../src/data/loader.js'
import type { DataFormat } from '../../src/data/manifest.js'
import { parseManifest } from '../../src/data/manifest.js'
import { openProbe } from '../../src/data/probe.js'
import { type RecordPosition, readShard } from '../../src/data/shard.js'
import { type ByteSource, openLocalFile } from '../../src/util/byte-source.js'
import { hasShared, shared } from '../support/shared.js'
import { bytesTokenizer, collect, memorySource, takeBatches, withLoader } from './helpers.js'

const formatOf = (path: string): DataFormat =>
  path.endsWith('.parquet') ? 'parquet' : path.endsWith('.gz') ? 'jsonl.gz' : 'jsonl.zst'
const read = (source: ByteSource, path: string, start: RecordPosition = { record: 0 }) =>
  collect(
    readShard(source, {
      format: formatOf(path),
      textField: path.endsWith('.parquet') ? 'content' : 'text',
      fields: [],
      start,
    }),
  )
const open = (name: string, files: string[], textField = 'text', filters = {}) =>
  resolveDataset(parseManifest({ name, files, textField, filters }, { baseDir: shared('data') }))

const proofs = 'proof-pile-2'
const counts: [string, number][] = [
  ['stack-python/train-00000.parquet', 497],
  ['stack-python/train-00001.parquet', 499],
  ['stack-python/train-00002.parquet', 497],
  ['stack-python/train-00003.parquet', 498],
  ['stack-python/validation-00000.parquet', 220],
  [`${proofs}/algebraic-stack/train/lean0000.jsonl.zst`, 107],
  [`${proofs}/algebraic-stack/train/lean0001.jsonl.zst`, 108],
  [`${proofs}/algebraic-stack/train/coq0000.jsonl.zst`, 29],
  [`${proofs}/algebraic-stack/train/agda0000.jsonl.zst`, 114],
  [`${proofs}/algebraic-stack/train/isabelle0000.jsonl.zst`, 60],
  [`${proofs}/algebraic-stack/train/isabelle0001.jsonl.zst`, 0],
  [`${proofs}/arxiv/train/arXiv_000.jsonl.zst`, 80],
  [`${proofs}/arxiv/train/arXiv_001.jsonl.zst`, 80],
  [`${proofs}/arxiv/train/arXiv_002.jsonl.zst`, 81],
  [`${proofs}/arxiv/validation/arXiv_000.jsonl.zst`, 22],
  [`${proofs}/open-web-math/train/shard-0000.jsonl.zst`, 728],
  [`${proofs}/open-web-math/train/shard-0001.jsonl.zst`, 728],
  [`${proofs}/open-web-math/train/shard-0002.jsonl.zst`, 728],
  [`${proofs}/open-web-math/train/shard-0003.jsonl.zst`, 728],
  [`${proofs}/open-web-math/validation/shard-0000.jsonl.zst`, 156],
  ['general/train-00003.jsonl.gz', 406],
  ['general/train-00005.jsonl.gz', 405],
  ['general/validation.jsonl.gz', 229],
]

describe.skipIf(!hasShared('data/stack-python'))('real shards', () => {
  it.each(counts)('%s has %i documents', async (path, count) => {
    const records = await read(await openLocalFile(shared(`data/${path}`)), path)
    expect(records.filter(record => 'fault' in record)).toEqual([])
    expect(records).toHaveLength(count)
  })

  it.each([
    `${proofs}/open-web-math/train/shard-0002.jsonl.zst`,
    `${proofs}/arxiv/train/arXiv_001.jsonl.zst`,
    'general/train-00003.jsonl.gz',
    'stack-python/train-00001.parquet',
  ])('%s goes on from a record in the middle, frames and members notwithstanding', async path => {
    const source = await openLocalFile(shared(`data/${path}`))
    const all = await read(source, path)
    for (const at of [0, 1, all.length >> 2, all.length >> 1, all.length - 2, all.length - 1]) {
      const { next } = all[at]!
      expect(await read(source, path, next)).toEqual(all.slice(at + 1))
    }
    if (path.endsWith('.zst')) expect(all.at(-1)!.next.restart![0]).toBeGreaterThan(0)
  })

  it.each([
    'stack-python/validation-00000.parquet',
    `${proofs}/arxiv/validation/arXiv_000.jsonl.zst`,
    'general/validation.jsonl.gz',
  ])('truncated copies of %s are faults, wherever they end', async path => {
    const whole = readFileSync(shared(`data/${path}`))
    for (const part of [0.1, 0.5, 0.999]) {
      const cut = memorySource(whole.subarray(0, Math.floor(whole.byteLength * part)), 1 << 16, path)
      await expect(read(cut, path)).rejects.toMatchObject({
        code: 'DATA_SHARD_TRUNCATED',
        message: expect.stringContaining(path),
      })
    }
  })

  it('a flipped byte in a frame with a checksum is found', async () => {
    const path = `${proofs}/algebraic-stack/train/coq0000.jsonl.zst`
    const bytes = Buffer.from(readFileSync(shared(`data/${path}`)))
    bytes[200_000]! ^= 1
    await expect(read(memorySource(bytes), path)).rejects.toMatchObject({
      code: expect.stringMatching(/^DATA_SHARD_(CHECKSUM|CORRUPT)$/),
    })
  })

  it('filters by the columns of The Stack', async () => {
    const filters = { licence: { allow: ['MIT'] }, extension: { allow: ['py'] }, maxBytes: 20_000 }
    const python = await open('python', ['stack-python/validation-00000.parquet'], 'content', filters)
    await withLoader({ sources: [{ manifest: python, weight: 1 }], seqLen: 512 }, async loader => {
      await takeBatches(loader, 2)
      const { documents, filtered } = loader.report()[0]!
      expect(filtered.licence).toBeGreaterThan(0)
      expect(documents).toBeGreaterThan(0)
    })
  })

  it('mixes parquet and zst with tiny windows, and 10 batches equal 4, resume, 3, resume, 3', async () => {
    const sources = [
      { manifest: await open('stack', ['stack-python/train-0000{0,1}.parquet'], 'content'), weight: 1 },
      { manifest: await open('proof', [`${proofs}/{open-web-math,algebraic-stack}/train/*.zst`]), weight: 1.5 },
    ]
    const options = { sources, windowDocs: 3, seqLen: 4096, microBatch: 4 }
    const content = ({ inputIds, targets, bytes, mix, provenance }: Batch) => ({
      inputIds,
      targets,
      bytes,
      mix,
      provenance,
    })
    const whole = await withLoader(options, loader => takeBatches(loader, 10))
    const got: Batch[] = []
    for (const count of [4, 3, 3])
      got.push(...(await withLoader({ ...options, state: got.at(-1)?.state }, loader => takeBatches(loader, count))))
    expect(got.map(content)).toEqual(whole.map(content))
    const { stack, proof } = whole.at(-1)!.mix as { stack: number; proof: number }
    expect(Math.abs(stack / (stack + proof) - 0.4)).toBeLessThan(0.25)
  }, 30_000)

  it('scores the general validation set, and finds no training document among it', async () => {
    const manifest = await open('general', ['general/validation.jsonl.gz'])
    const probe = await openProbe({ name: 'general', manifest, maxTokens: 1e9, seqLen: 2048, ...bytesTokenizer })
    expect(probe.documents).toBe(229)
    expect(probe.bytesScored).toBe(probe.tokensScored)
    const path = 'general/train-00000.jsonl.gz'
    for (const record of await read(await openLocalFile(shared(`data/${path}`)), path))
      expect('text' in record && probe.documentHashes.has(documentHash(record.text))).toBe(false)
  })
})
