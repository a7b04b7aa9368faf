import { readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Dataset } from '../../src/data/dataset.js'
import { documentHash } from '../../src/data/document-id.js'
import { ShardFault } from '../../src/data/fault.js'
import { leftOutText } from '../../src/data/left-out.js'
import { type Batch, openLoader } from '../../src/data/loader.js'
import { LabError } from '../../src/util/errors.js'
import {
  bytesTokenizer,
  dataset,
  decodeBytes,
  jsonLines,
  memorySource,
  sampleTexts,
  takeBatches,
  temporaryFolder,
  withLoader,
  writeShard,
  zstdFrames,
} from './helpers.js'

const folder = temporaryFolder()
const code = sampleTexts('code', 19)
const maths = sampleTexts('maths', 13)
let python: Dataset
let proofs: Dataset

beforeAll(async () => {
  writeShard(folder, 'code-0.parquet', code.slice(0, 8))
  writeShard(folder, 'code-1.parquet', code.slice(8))
  writeShard(folder, 'maths-0.jsonl.zst', maths.slice(0, 6))
  writeShard(folder, 'maths-1.jsonl.zst', [])
  writeShard(folder, 'maths-2.jsonl.gz', maths.slice(6, 10))
  writeShard(folder, 'maths-3.jsonl', maths.slice(10))
  python = await dataset(folder, { name: 'python', files: 'code-*.parquet', textField: 'content' })
  proofs = await dataset(folder, { name: 'proofs', files: 'maths-*' })
})

const sources = () => [
  { manifest: python, weight: 1 },
  { manifest: proofs, weight: 1.5 },
]
/** What a run sees of its data, as text because that is compared a hundred times faster. */
const content = ({ state: _state, ...seen }: Batch) =>
  JSON.stringify(seen, (_key, value) => (value instanceof Int32Array ? value.join(' ') : value))
/** The rows of batches one after the other, whatever the batch size. */
const stream = (batches: Batch[]) => batches.flatMap(batch => [...batch.targets])

describe('resume', () => {
  it('10 batches equal 4, resume, 3, resume, 3: across shards, windows and epochs, from any start', async () => {
    const whole = await withLoader({ sources: sources() }, loader => takeBatches(loader, 150))
    expect(whole.at(-1)!.provenance.at(-1)!.epoch).toBeGreaterThanOrEqual(2)
    for (let start = 0; start + 10 <= whole.length; start += 20) {
      let state: unknown = start === 0 ? undefined : JSON.parse(JSON.stringify(whole[start - 1]!.state))
      const got: Batch[] = []
      for (const count of [4, 3, 3]) {
        const part = await withLoader({ sources: sources(), state }, loader => takeBatches(loader, count))
        got.push(...part)
        state = JSON.parse(JSON.stringify(part.at(-1)!.state))
      }
      expect(got.map(content)).toEqual(whole.slice(start, start + 10).map(content))
      expect(got.map(batch => batch.state)).toEqual(whole.slice(start, start + 10).map(batch => batch.state))
    }
  }, 30_000)

  it('does not lose prefetched batches, and the state is a copy', async () => {
    const whole = await withLoader({ sources: sources() }, loader => takeBatches(loader, 12))
    const state = await withLoader({ sources: sources(), prefetchBatches: 8 }, async loader => {
      const taken = await loader.next()
      const before = JSON.stringify(taken.state)
      await takeBatches(loader, 3)
      expect(JSON.stringify(taken.state)).toBe(before)
      return taken.state
    })
    const rest = await withLoader({ sources: sources(), state }, loader => takeBatches(loader, 11))
    expect(rest.map(content)).toEqual(whole.slice(1).map(content))
  })

  it('may change the micro-batch and the row length', async () => {
    const whole = stream(await withLoader({ sources: sources() }, loader => takeBatches(loader, 20)))
    const first = await withLoader({ sources: sources() }, loader => takeBatches(loader, 3))
    const rest = await withLoader(
      { sources: sources(), state: first.at(-1)!.state, microBatch: 3, seqLen: 8 },
      loader => takeBatches(loader, 20),
    )
    expect([...stream(first), ...stream(rest)]).toEqual(whole.slice(0, 96 + 480))
  })

  it('keeps the state small: no tokens, under 1.5 kB a source', async () => {
    const [batch] = await withLoader({ sources: sources(), seqLen: 64 }, loader => takeBatches(loader, 1))
    expect(JSON.stringify(batch!.state).length).toBeLessThan(2 * 1500)
  })

  it('refuses a state of another order and names both sides', async () => {
    const [batch] = await withLoader({ sources: sources() }, loader => takeBatches(loader, 1))
    const { state } = batch!
    const open = (changes: object) => () =>
      openLoader({
        ...bytesTokenizer,
        sources: sources(),
        seed: 7,
        seqLen: 16,
        microBatch: 2,
        windowDocs: 5,
        state,
        ...changes,
      })
    const other = await dataset(folder, { name: 'python', files: 'code-0.parquet', textField: 'content' })
    expect(open({ sources: [{ manifest: other, weight: 1 }, sources()[1]!] })).toThrow(
      new RegExp(`manifest hash of python.*${python.hash}.*${other.hash}`),
    )
    expect(open({ tokenizerHash: 'new' })).toThrow(/tokenizer hash was bytes .* is new now/)
    expect(open({ seed: 8 })).toThrow(/seed was 7 .* is 8 now/)
    expect(open({ windowDocs: 6 })).toThrow(/windowDocs was 5/)
    expect(open({ sources: [sources()[1]!, sources()[0]!] })).toThrow(/sources was python, proofs/)
    expect(open({ excludeHashes: new Set(['ab']) })).toThrow(/hash of the excluded documents was none/)
    expect(open({ sources: [{ manifest: python, weight: 2 }, sources()[1]!] })).toThrow(/weight of python was 1/)
    expect(open({ state: { version: 1 } })).toThrow(expect.objectContaining({ code: 'LOADER_STATE' }))
    expect(open({ state: { ...state, extra: 1 } })).toThrow(/not a data state/)
  })
})

describe('order', () => {
  it('does not depend on prefetching, read-ahead, tokenizer timing or the micro-batch', async () => {
    const plain = stream(
      await withLoader({ sources: sources(), prefetchBatches: 0, groupsAhead: 1, microBatch: 1 }, loader =>
        takeBatches(loader, 60),
      ),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.nat(9),
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom(1, 2, 3, 4, 5),
        fc.nat(),
        async (prefetchBatches, groupsAhead, microBatch, delay) => {
          let calls = 0
          const tokenize = async (texts: string[]) => {
            await new Promise(resolve => setTimeout(resolve, (delay * ++calls) % 4))
            return bytesTokenizer.tokenize(texts)
          }
          const options = { sources: sources(), prefetchBatches, groupsAhead, microBatch, tokenize }
          const got = stream(await withLoader(options, loader => takeBatches(loader, 60 / microBatch)))
          expect(got).toEqual(plain)
        },
      ),
      { numRuns: 12 },
    )
  })

  it('serves every document of a source once an epoch, whole, between BOS and EOS', async () => {
    const batches = await withLoader({ sources: [sources()[0]!], microBatch: 1 }, loader => takeBatches(loader, 130))
    const ids = [...batches[0]!.inputIds.subarray(0, 1), ...stream(batches)]
    const documents: string[] = []
    for (let at = 0, end = ids.indexOf(2); end >= 0; at = end + 1, end = ids.indexOf(2, at)) {
      expect(ids[at]).toBe(1)
      documents.push(decodeBytes(ids.slice(at, end)))
    }
    expect(documents.slice(0, 19).sort()).toEqual([...code].sort())
    expect(documents.slice(19, 38).sort()).toEqual([...code].sort())
  })

  it('says where each input came from', async () => {
    const [batch] = await withLoader({ sources: sources(), seqLen: 40 }, loader => takeBatches(loader, 1))
    const texts: Record<string, string[]> = {
      'code-0.parquet': code.slice(0, 8),
      'code-1.parquet': code.slice(8),
      'maths-0.jsonl.zst': maths.slice(0, 6),
      'maths-2.jsonl.gz': maths.slice(6, 10),
      'maths-3.jsonl': maths.slice(10),
    }
    expect(batch!.provenance.reduce((sum, p) => sum + p.count, 0)).toBe(batch!.inputIds.length)
    for (const { row, rowStart, count, path, record, offset } of batch!.provenance) {
      const tokens = [1, ...Buffer.from(texts[path]![record]!).map(b => b), 2].map((id, i, all) =>
        i === 0 || i === all.length - 1 ? id : id + 3,
      )
      expect([...batch!.inputIds.subarray(row * 40 + rowStart, row * 40 + rowStart + count)]).toEqual(
        tokens.slice(offset, offset + count),
      )
    }
    for (const [row, boundaries] of batch!.boundaries.entries())
      for (const at of boundaries) expect(batch!.inputIds[row * 40 + at]).toBe(1)
  })

  it('keeps the weights in tokens, counts what it served, and the bytes of byte tokens exactly', async () => {
    const batches = await withLoader({ sources: sources() }, loader => takeBatches(loader, 150))
    const { mix } = batches.at(-1)!
    expect(mix['python']! + mix['proofs']!).toBe(150 * 32)
    expect(Math.abs(mix['python']! - 0.4 * 150 * 32)).toBeLessThan(150)
    for (const { targets, bytes } of batches) expect(bytes).toBe(targets.filter(id => id >= 3).length)
  })

  it('skip passes over batches as if they had been taken', async () => {
    const whole = await withLoader({ sources: sources() }, loader => takeBatches(loader, 8))
    await withLoader({ sources: sources() }, async loader => {
      const skipped: unknown[] = []
      loader.events.on('skip', event => skipped.push(event))
      await loader.skip(5)
      expect(content(await loader.next())).toEqual(content(whole[5]!))
      expect(skipped).toEqual([{ batches: 5, tokens: 5 * 32 }])
    })
  })
})

describe('exclusion', () => {
  it('never serves an excluded document, counts it, and keeps that over a resume', async () => {
    const held = [code[3]!, code[12]!, maths[0]!]
    const excludeHashes = new Set(held.map(documentHash))
    const options = { sources: sources(), excludeHashes }
    const first = await withLoader(options, async loader => {
      const batches = await takeBatches(loader, 60)
      expect(loader.report().map(r => r.excluded)).toEqual([expect.any(Number), expect.any(Number)])
      expect(loader.report()[0]!.excluded).toBeGreaterThanOrEqual(2)
      expect(leftOutText(loader.report()[0]!)).toMatch(/^\d+ documents used; left out: \d+ of the probes$/)
      return batches
    })
    const rest = await withLoader({ ...options, state: first.at(-1)!.state }, loader => takeBatches(loader, 60))
    const text = decodeBytes(stream([...first, ...rest]))
    for (const label of ['code-3 ', 'code-12 ', 'maths-0 ']) expect(text).not.toContain(label)
    for (const label of ['code-4 ', 'maths-1 ']) expect(text).toContain(label)
  })

  it('a source without any document is an error that says why', async () => {
    const options = { sources: [{ manifest: python, weight: 1 }], excludeHashes: new Set(code.map(documentHash)) }
    await withLoader(options, async loader => {
      await expect(loader.next()).rejects.toMatchObject({
        code: 'DATA_SOURCE_EMPTY',
        message: expect.stringMatching(/source python.*"excluded":19/),
      })
      await expect(loader.next()).rejects.toMatchObject({ code: 'DATA_SOURCE_EMPTY' })
    })
    writeShard(folder, 'empty.jsonl.zst', [])
    const empty = await dataset(folder, { name: 'empty', files: 'empty.jsonl.zst' })
    await withLoader({ sources: [{ manifest: empty, weight: 1 }] }, async loader => {
      await expect(loader.next()).rejects.toMatchObject({ code: 'DATA_SOURCE_EMPTY' })
      expect(leftOutText(loader.report()[0]!)).toBeNull()
    })
  })

  it('documents that give no tokens do not hang it', async () => {
    const options = {
      sources: [sources()[0]!],
      tokenize: async (texts: string[]) => texts.map(() => new Int32Array(0)),
      bosTokenId: null,
      eosTokenId: null,
    }
    await withLoader(options, loader => expect(loader.next()).rejects.toMatchObject({ code: 'DATA_SOURCE_EMPTY' }))
  })
})

describe('bad input', () => {
  const bad = temporaryFolder()
  const texts = sampleTexts('bad', 12)
  let damaged: Dataset

  beforeAll(async () => {
    const frames = zstdFrames(jsonLines(texts.slice(0, 6)), 50)
    writeFileSync(join(bad, '0-cut.jsonl.zst'), frames.subarray(0, frames.byteLength >> 1))
    writeShard(bad, '1-good.jsonl', texts.slice(6))
    damaged = await dataset(bad, { name: 'damaged', files: '*' })
  })

  it('stops under error, naming the file', async () => {
    await withLoader({ sources: [{ manifest: damaged, weight: 1 }] }, async loader => {
      await expect(takeBatches(loader, 50)).rejects.toMatchObject({
        code: 'DATA_SHARD_TRUNCATED',
        message: expect.stringContaining('0-cut.jsonl.zst'),
      })
    })
  })

  it.each(['warn', 'skip'] as const)('under %s uses what came before the fault, counts and tells', async onBadShard => {
    await withLoader({ sources: [{ manifest: damaged, weight: 1 }], onBadShard }, async loader => {
      const events: unknown[] = []
      loader.events.on('badShard', event => events.push(event))
      const batches = await takeBatches(loader, 40)
      const seen = new Set(
        batches
          .flatMap(b => b.provenance)
          .filter(p => p.epoch === 0)
          .map(p => p.path),
      )
      expect(seen).toEqual(new Set(['0-cut.jsonl.zst', '1-good.jsonl']))
      const level = onBadShard === 'warn' ? 'warn' : 'info'
      expect(events[0]).toMatchObject({ source: 'damaged', path: '0-cut.jsonl.zst', reason: 'truncated', level })
      expect(loader.report()[0]!.badShards).toEqual({ truncated: events.length })
      expect(leftOutText(loader.report()[0]!)).toMatch(/left out: \d+ bad shards? \(truncated \d+\)$/)
      expect(batches.at(-1)!.state.sources[0]!.shuffle.start.skips).toEqual({
        '0-cut.jsonl.zst': { record: expect.any(Number), reason: 'truncated' },
      })
    })
  })

  it('a resumed run leaves out the same although the fault has gone', async () => {
    const lines = jsonLines(texts)
    let broken = true
    const flaky: Dataset = {
      ...damaged,
      files: [{ path: 'flaky.jsonl', byteLength: lines.byteLength, format: 'jsonl' }],
      open: async () => {
        const source = memorySource(lines, 64, 'flaky.jsonl')
        const cut = broken ? 400 : lines.byteLength
        async function* stream(start = 0) {
          for await (const bytes of source.stream(start)) {
            start += bytes.byteLength
            if (start > cut) throw new ShardFault('checksum', 'does not match its checksum')
            yield bytes
          }
        }
        return { ...source, stream }
      },
    }
    const sources = [{ manifest: flaky, weight: 1 }]
    const options = { sources, onBadShard: 'skip' as const, windowDocs: 3, seqLen: 8, microBatch: 1 }
    const whole = await withLoader(options, loader => takeBatches(loader, 90))
    const used = new Set(whole.flatMap(b => b.provenance).map(p => p.record)).size
    expect(used).toBeLessThan(texts.length)
    // the fault lies inside a window, so that window is shorter than a run without the fault would make it
    expect(used % 3).not.toBe(0)
    broken = false
    const atFault = whole.flatMap((batch, i) => {
      const { start, window } = batch.state.sources[0]!.shuffle
      return (start.epoch === 0 && window === Math.floor(used / 3)) || start.epoch === 1 ? [i] : []
    })
    expect(whole[atFault[0]!]!.state.sources[0]!.shuffle.start.epoch).toBe(0)
    for (const i of atFault.slice(0, 30)) {
      const rest = await withLoader({ ...options, state: whole[i]!.state }, loader => takeBatches(loader, 20))
      expect(rest.map(content)).toEqual(whole.slice(i + 1, i + 21).map(content))
    }
  })

  it.each([
    ['jsonl', new LabError('RETRY_GAVE_UP', 'no answer after 60 attempts'), 'RETRY_GAVE_UP'],
    ['jsonl.zst', Object.assign(new Error('i/o error, read'), { code: 'EIO' }), 'DATA_SHARD_READ'],
    ['jsonl.gz', new TypeError('fetch failed'), 'DATA_SHARD_READ'],
    ['parquet', new TypeError('fetch failed'), 'DATA_SHARD_READ'],
  ] as const)(
    'an outage in a %s shard stops the run under every policy, and no text is lost',
    async (ending, outage, code) => {
      const name = `outage.${ending}`
      writeShard(bad, name, texts)
      const textField = ending === 'parquet' ? 'content' : 'text'
      const whole = await dataset(bad, { name: 'whole', files: name, textField })
      let isOut = true
      const shaky: Dataset = {
        ...whole,
        open: async index => {
          const source = await whole.open(index)
          const half = source.byteLength >> 1
          async function* stream(start = 0) {
            for await (const bytes of memorySource(await source.slice(0, source.byteLength), 64).stream(start)) {
              start += bytes.byteLength
              if (isOut && start > half) throw outage
              yield bytes
            }
          }
          const slice: typeof source.slice = async (start, end) => {
            if (isOut && start < half) throw outage
            return source.slice(start, end)
          }
          return { ...source, slice, stream }
        },
      }
      const options = { seqLen: 8, microBatch: 1, windowDocs: 2, prefetchBatches: 0, groupsAhead: 1 }
      const expected = await withLoader({ ...options, sources: [{ manifest: whole, weight: 1 }] }, loader =>
        takeBatches(loader, 80),
      )
      for (const onBadShard of ['error', 'warn', 'skip'] as const) {
        isOut = true
        const sources = [{ manifest: shaky, weight: 1 }]
        await withLoader({ ...options, sources, onBadShard }, async loader => {
          const passedOver: unknown[] = []
          loader.events.on('badShard', event => passedOver.push(event))
          await expect(takeBatches(loader, 80)).rejects.toMatchObject({ code })
          expect(passedOver).toEqual([])
          expect(loader.report()[0]!.badShards).toEqual({})
        })
        isOut = false
        const again = await withLoader({ ...options, sources, onBadShard }, loader => takeBatches(loader, 80))
        expect(again.map(content)).toEqual(expected.map(content))
      }
    },
  )

  it('bad documents follow their own policy, good ones beside them stay', async () => {
    writeFileSync(join(bad, 'lines.jsonl'), `{"text":"good one"}\nnot json\n{"text":5}\n{"text":"good two"}\n`)
    const mixed = await dataset(bad, { name: 'mixed', files: 'lines.jsonl' })
    const sources = [{ manifest: mixed, weight: 1 }]
    await withLoader({ sources }, loader =>
      expect(loader.next()).rejects.toMatchObject({
        code: 'DATA_DOCUMENT_JSON',
        message: expect.stringMatching(/lines\.jsonl, line 2/),
      }),
    )
    await withLoader(
      { sources, onBadDocument: 'warn', seqLen: 9, microBatch: 1, windowDocs: 2, prefetchBatches: 0 },
      async loader => {
        const events: { record: number; reason: string }[] = []
        loader.events.on('badDocument', event => events.push(event))
        await loader.next()
        expect(leftOutText(loader.report()[0]!)).toMatch(/left out: \d+ bad \(json \d+, field \d+\)$/)
        expect(events.slice(0, 2)).toMatchObject([
          { record: 1, reason: 'json', level: 'warn' },
          { record: 2, reason: 'field', level: 'warn' },
        ])
      },
    )
  })

  it.each(['error', 'skip'] as const)('missing and changed files stop the run under %s', async onBadShard => {
    const there = join(bad, 'gone.jsonl')
    writeFileSync(there, jsonLines(['x']))
    const gone = await dataset(bad, { name: 'gone', files: 'gone.jsonl' })
    writeFileSync(there, jsonLines(['x', 'y']))
    await withLoader({ sources: [{ manifest: gone, weight: 1 }], onBadShard }, loader =>
      expect(loader.next()).rejects.toMatchObject({ code: 'DATA_SHARD_CHANGED' }),
    )
    const missing: Dataset = {
      ...gone,
      open: () => Promise.reject(new LabError('FILE_NOT_FOUND', 'nothing at gone.jsonl')),
    }
    await withLoader({ sources: [{ manifest: missing, weight: 1 }], onBadShard }, loader =>
      expect(loader.next()).rejects.toMatchObject({ code: 'DATA_SHARD_MISSING' }),
    )
  })
})

describe('lifetime', () => {
  const openFiles = () =>
    readdirSync('/proc/self/fd').flatMap(fd => {
      try {
        return [readlinkSync(`/proc/self/fd/${fd}`)]
      } catch {
        return []
      }
    })

  it.skipIf(process.platform !== 'linux')(
    'leaves no file open when it is disposed in the middle of shards',
    async () => {
      const large = temporaryFolder()
      for (const name of ['a.jsonl', 'b.jsonl.gz', 'c.jsonl.zst', 'd.parquet'])
        writeShard(large, name, sampleTexts(name, 4000))
      const sources = await Promise.all(
        ['a', 'b', 'c'].map(async name => ({
          manifest: await dataset(large, { name, files: `${name}.*` }),
          weight: 1,
        })),
      )
      const loader = openLoader({ ...bytesTokenizer, sources, seed: 1, seqLen: 32, microBatch: 2, windowDocs: 50 })
      for await (const batch of loader) if (batch.mix['a']! > 500) break
      expect(openFiles().filter(path => path.startsWith(large)).length).toBeGreaterThan(0)
      await loader.dispose()
      expect(openFiles().filter(path => path.startsWith(large))).toEqual([])
    },
  )

  it('ends loops and refuses calls after dispose, and may be disposed twice and unused', async () => {
    const loader = openLoader({ ...bytesTokenizer, sources: sources(), seed: 1, seqLen: 16, microBatch: 1 })
    let batches = 0
    for await (const _ of loader) if (++batches === 3) await loader.dispose()
    expect(batches).toBe(3)
    await expect(loader.next()).rejects.toMatchObject({ code: 'LOADER_DISPOSED' })
    await loader.dispose()
    await openLoader({ ...bytesTokenizer, sources: sources(), seed: 1, seqLen: 16, microBatch: 1 }).dispose()
  })

  it('passes on a failure of the tokenizer', async () => {
    const tokenize = () => Promise.reject(new LabError('WORKER', 'the worker died'))
    await withLoader({ sources: sources(), tokenize }, loader =>
      expect(loader.next()).rejects.toMatchObject({ code: 'WORKER' }),
    )
    await withLoader({ sources: sources(), tokenize: async () => [] }, loader =>
      expect(loader.next()).rejects.toMatchObject({ code: 'TOKENIZE' }),
    )
  })

  it('tells of epoch ends', async () => {
    await withLoader({ sources: [sources()[0]!] }, async loader => {
      const events: unknown[] = []
      loader.events.on('epochEnd', event => events.push(event))
      await takeBatches(loader, 60)
      expect(events.slice(0, 2)).toEqual([
        { source: 'python', epoch: 0, documents: 19 },
        { source: 'python', epoch: 1, documents: 19 },
      ])
    })
  })

  it.each([
    [{ seqLen: 0 }, /seqLen/],
    [{ microBatch: 1.5 }, /microBatch/],
    [{ seed: 0.5 }, /integer seed/],
    [{ prefetchBatches: -1 }, /prefetchBatches/],
    [{ sources: [] }, /at least one source/],
  ])('refuses %j', (changes, message) => {
    expect(() =>
      openLoader({ ...bytesTokenizer, sources: sources(), seed: 1, seqLen: 16, microBatch: 1, ...changes }),
    ).toThrow(message)
    expect(() =>
      openLoader({ ...bytesTokenizer, sources: [...sources(), ...sources()], seed: 1, seqLen: 16, microBatch: 1 }),
    ).toThrow(/listed twice/)
  })
})
