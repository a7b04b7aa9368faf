import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ShardFault } from '../../src/data/fault.js'
import { type Chunk, chunksFrom, plainChunks } from '../../src/data/format/chunk.js'
import { gunzipChunks } from '../../src/data/format/gzip.js'
import { parseLine, splitLines } from '../../src/data/format/jsonl.js'
import { parquetRows } from '../../src/data/format/parquet.js'
import { Xxh64 } from '../../src/data/format/xxhash64.js'
import { defaultZstdEngine, type ZstdEngine, zstdChunks } from '../../src/data/format/zstd.js'
import { readShard } from '../../src/data/shard.js'
import { collect, jsonLines, memorySource, parquetOf, sampleTexts, zstdFrame, zstdFrames } from './helpers.js'

const bytesOf = async (chunks: AsyncIterable<Chunk>) => Buffer.concat((await collect(chunks)).map(c => c.bytes))
const text = 'Ein Bär – zwei Bären.\n'.repeat(40)

describe('jsonl', () => {
  it('cuts lines at newlines whatever the chunks, and tells where each starts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string()),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        async (parts, piece, ended) => {
          const lines = parts.map(part => part.replaceAll('\n', ' '))
          const content = Buffer.from(lines.join('\n') + (ended && lines.length > 0 ? '\n' : ''))
          const got = await collect(splitLines(plainChunks(memorySource(content, piece))))
          const expected = content.toString().split('\n')
          if (expected.at(-1) === '') expected.pop()
          expect(got.map(line => Buffer.from(line.bytes!).toString())).toEqual(expected)
          for (const { byte, byteLength, bytes } of got)
            expect(content.subarray(byte, byte + byteLength)).toEqual(Buffer.from(bytes!))
        },
      ),
    )
  })

  it('passes over blank lines and counts them, reads the last line without newline, and a byte order mark', async () => {
    const source = memorySource(Buffer.from('\ufeff{"text":"a"}\r\n\n  \t\r\n{"text":"b"}'), 3, 'x.jsonl')
    const records = await collect(readShard(source, { format: 'jsonl', textField: 'text', fields: [] }))
    expect(records.map(r => ['text' in r && r.text, r.record])).toEqual([
      ['a', 0],
      ['b', 3],
    ])
  })

  it('does not keep a line over the cap, names it, and reads on', async () => {
    const source = memorySource(Buffer.from(`{"text":"${'y'.repeat(500)}"}\n{"text":"ok"}\n`), 10, 'x.jsonl')
    const records = await collect(
      readShard(source, { format: 'jsonl', textField: 'text', fields: [], maxLineBytes: 100 }),
    )
    expect(records[0]).toMatchObject({
      fault: { reason: 'too-long', message: expect.stringMatching(/x\.jsonl, line 1 .* 511 bytes.* 100/) },
    })
    expect(records[1]).toMatchObject({ text: 'ok', record: 1 })
  })

  it.each([
    ['utf8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), /line 7 \(byte 99 decoded\).*UTF-8/],
    ['json', Buffer.from('{"text": "a'), /one JSON object/],
    ['json', Buffer.from('[1]'), /found an array/],
  ])('says file, line and byte of a line that is not %s', (reason, bytes, message) => {
    const line = { line: 6, byte: 99, byteLength: bytes.byteLength, bytes, next: { line: 7, byte: 200 } }
    expect(() => parseLine('a.jsonl', line)).toThrow(
      expect.objectContaining({ reason, message: expect.stringMatching(message) }),
    )
  })

  it('names the nearest field when the text field is not there, and refuses half a surrogate pair', async () => {
    const source = memorySource(Buffer.from('{"txet":"a"}\n{"text":"\\ud800"}\n{"text":7}\n'))
    const records = await collect(readShard(source, { format: 'jsonl', textField: 'text', fields: [] }))
    expect(records.map(r => 'fault' in r && r.fault.reason)).toEqual(['field', 'surrogate', 'field'])
    expect('fault' in records[0]! && records[0].fault.message).toMatch(/Did you mean "txet"/)
  })
})

describe('gzip', () => {
  it('reads several members, and a file of zero bytes as nothing', async () => {
    const members = Buffer.concat([gzipSync(text), gzipSync(''), gzipSync(text)])
    expect((await bytesOf(gunzipChunks(memorySource(members, 11)))).toString()).toBe(text + text)
    expect(await collect(gunzipChunks(memorySource(new Uint8Array(0))))).toEqual([])
  })

  it('says what is wrong with a broken file', async () => {
    const whole = gzipSync(text)
    const flipped = Buffer.from(whole)
    flipped[whole.byteLength - 6]! ^= 1
    await expect(collect(gunzipChunks(memorySource(whole.subarray(0, -9))))).rejects.toMatchObject({
      reason: 'truncated',
    })
    await expect(collect(gunzipChunks(memorySource(flipped)))).rejects.toMatchObject({ reason: 'checksum' })
    await expect(collect(gunzipChunks(memorySource(Buffer.from('no gzip at all'))))).rejects.toMatchObject({
      reason: 'corrupt',
    })
  })

  it('delivers the same amount before a fault however the bytes arrive', async () => {
    const noise = Array.from({ length: 30_000 }, (_, i) => ((i * 2654435761) >>> 7).toString(36)).join('')
    const whole = gzipSync(noise)
    const decodedBeforeFault = async (bytes: Uint8Array, piece: number) => {
      const early: Uint8Array[] = []
      const read = async () => {
        for await (const chunk of gunzipChunks(memorySource(bytes, piece))) early.push(chunk.bytes)
      }
      await expect(read()).rejects.toBeInstanceOf(ShardFault)
      return Buffer.concat(early).toString()
    }
    const flipped = Buffer.from(whole)
    flipped[70_000]! ^= 255
    for (const bytes of [whole.subarray(0, 50_000), flipped]) {
      const early = await decodedBeforeFault(bytes, 1 << 16)
      expect(early.length).toBeGreaterThan(10_000)
      for (const piece of [999, 16_384, 20_000]) expect((await decodedBeforeFault(bytes, piece)) === early).toBe(true)
    }
    const cut = await decodedBeforeFault(whole.subarray(0, 50_000), 777)
    expect(noise.startsWith(cut)).toBe(true)
  })

  it('closes its source when it is left early', async () => {
    const source = memorySource(gzipSync(text.repeat(5000)), 100)
    for await (const _ of gunzipChunks(source)) break
    expect(source.open).toBe(0)
  })
})

const engines: ZstdEngine[] = defaultZstdEngine === 'native' ? ['js', 'native'] : ['js']

describe.each(engines)('zstd by %s', engine => {
  const decode = (bytes: Uint8Array, piece = 7) =>
    bytesOf(zstdChunks(memorySource(bytes, piece, 'x.zst'), [0, 0], engine))

  it('reads several frames cut at any byte, empty and skippable frames, and a file of zero bytes', async () => {
    const content = Buffer.from(text)
    const skippable = Buffer.from([0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9])
    const empty = zstdFrame(new Uint8Array(0))
    expect(empty.byteLength).toBe(13)
    expect((await decode(Buffer.concat([empty, zstdFrames(content, 101), skippable, empty]))).toString()).toBe(text)
    expect((await decode(zstdFrame(content, { checksum: false }), 1)).toString()).toBe(text)
    expect((await decode(empty)).byteLength).toBe(0)
    expect((await decode(new Uint8Array(0))).byteLength).toBe(0)
  })

  it('reads run-length blocks', async () => {
    const head = (500 << 3) | (1 << 1) | 1
    const frame = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, head & 0xff, head >> 8, 0, 0x61])
    expect((await decode(frame)).toString()).toBe('a'.repeat(500))
  })

  it('says truncated at every cut that is not between frames', async () => {
    const first = zstdFrame(Buffer.from('first frame\n'), { blockBytes: 5 })
    const both = Buffer.concat([first, zstdFrame(Buffer.from('second'))])
    for (let cut = 1; cut < both.byteLength; cut++) {
      const read = decode(both.subarray(0, cut))
      if (cut === first.byteLength) expect((await read).toString()).toBe('first frame\n')
      else await expect(read, `cut at ${cut}`).rejects.toMatchObject({ reason: 'truncated' })
    }
  })

  it('finds a flipped bit by the checksum, and junk between frames by its place', async () => {
    const frame = zstdFrame(Buffer.from(text))
    const flipped = Buffer.from(frame)
    flipped[40]! ^= 4
    await expect(decode(flipped)).rejects.toMatchObject({
      reason: 'checksum',
      message: expect.stringMatching(/x\.zst: the Zstandard frame at byte 0/),
    })
    const message = expect.stringMatching(
      new RegExp(`expected a Zstandard frame at byte ${frame.byteLength}, found 0x`),
    )
    await expect(decode(Buffer.concat([frame, Buffer.from('junk')]))).rejects.toMatchObject({
      reason: 'corrupt',
      message,
    })
    const reserved = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, 0x0f, 0, 0, 1])
    await expect(decode(reserved)).rejects.toMatchObject({
      reason: 'corrupt',
      message: expect.stringMatching(/reserved/),
    })
  })

  it('starts again at the frame of any chunk', async () => {
    const bytes = zstdFrames(Buffer.from(text), 100)
    for (const { byte, restart } of await collect(zstdChunks(memorySource(bytes), [0, 0], engine))) {
      const rest = await bytesOf(chunksFrom(zstdChunks(memorySource(bytes), restart, engine), byte))
      expect(rest.equals(Buffer.from(text).subarray(byte))).toBe(true)
    }
  })

  it('closes its source when it is left early', async () => {
    const source = memorySource(zstdFrames(Buffer.from(text), 100), 10)
    for await (const _ of zstdChunks(source, [0, 0], engine)) break
    expect(source.open).toBe(0)
  })
})

it('xxh64 agrees with the zstd program on bytes i * 31 mod 251, in any pieces', () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 31) % 251)
  const expected = { 0: 0x51d8e999, 1: 0xdb052768, 5: 0xd03af582, 39: 0xd6a6ad77, 101: 0xeba72034, 1000: 0xf0603bbf }
  for (const [length, low32] of Object.entries(expected))
    for (const piece of [1, 7, 32, 1000]) {
      const hash = new Xxh64()
      for (let at = 0; at < Number(length); at += piece)
        hash.update(bytes.subarray(at, Math.min(at + piece, Number(length))))
      expect(hash.low32()).toBe(low32)
    }
})

describe('parquet', () => {
  const texts = sampleTexts('row', 10)
  const rowsOf = (bytes: Uint8Array, options = {}) =>
    collect(parquetRows(memorySource(bytes, 1 << 16, 'x.parquet'), { columns: ['content'], ...options }))

  it('reads the asked columns, group by group, from any row', async () => {
    const bytes = parquetOf(texts)
    for (let startRow = 0; startRow <= 10; startRow++) {
      const rows = await rowsOf(bytes, { startRow })
      expect(rows).toEqual(texts.map((content, row) => ({ row, fields: { content } })).slice(startRow))
    }
  })

  it('fetches only the groups and columns that are asked for', async () => {
    const bytes = parquetOf(
      texts.map(t => t.repeat(300)),
      { rowGroupSize: 2 },
    )
    const source = memorySource(bytes)
    const footerBytes = bytes.byteLength
    let fetched = 0
    const counting = {
      ...source,
      slice: (start: number, end: number) => {
        fetched += end - start
        return source.slice(start, end)
      },
    }
    await collect(parquetRows(counting, { columns: ['lang'], startRow: 8 }))
    // the footer and one small column chunk; hyparquet asks for the whole of a file below 512 kB as footer
    const oneColumn = fetched - footerBytes
    expect(oneColumn).toBeLessThan(200)
    fetched = 0
    await collect(parquetRows(counting, { columns: ['content'] }))
    expect(fetched - footerBytes).toBeGreaterThan(10 * oneColumn)
  })

  it('refuses a group over the memory cap, a missing column and broken files', async () => {
    const bytes = parquetOf(texts)
    await expect(rowsOf(bytes, { maxRowGroupBytes: 20 })).rejects.toMatchObject({
      reason: 'row-group-too-large',
      message: expect.stringMatching(/row group 0 is \d+ B in the columns content.*cap of 20\.0 B|cap of 20 B/),
    })
    await expect(rowsOf(bytes, { columns: ['contents'] })).rejects.toMatchObject({
      reason: 'schema',
      message: expect.stringMatching(/Did you mean "content"/),
    })
    for (const cut of [0, 3, 11, bytes.byteLength >> 1, bytes.byteLength - 1])
      await expect(rowsOf(bytes.subarray(0, cut)), `cut at ${cut}`).rejects.toMatchObject({
        code: expect.stringMatching(/^DATA_SHARD_(TRUNCATED|CORRUPT)$/),
      })
  })

  it('makes one bad document of a value that is null or no UTF-8, and keeps the rows beside it', async () => {
    const marker = 'BADBYTES'
    const bytes = parquetOf(['first', marker, null, 'last'] as string[], { rowGroupSize: 4 })
    for (let at = bytes.indexOf(marker); at >= 0; at = bytes.indexOf(marker, at + 1)) bytes[at + 3] = 0xff
    const records = await collect(
      readShard(memorySource(bytes), { format: 'parquet', textField: 'content', fields: ['lang'] }),
    )
    expect(records.map(r => ('text' in r ? r.text : r.fault.reason))).toEqual(['first', 'utf8', 'field', 'last'])
  })
})

it('every record can be started from, in every format', async () => {
  const texts = sampleTexts('doc', 12)
  const lines = jsonLines(texts)
  const shards = {
    jsonl: lines,
    'jsonl.gz': gzipSync(lines),
    'jsonl.zst': zstdFrames(lines, 61),
    parquet: parquetOf(texts, { column: 'text' }),
  }
  for (const [format, bytes] of Object.entries(shards)) {
    const options = { format: format as keyof typeof shards, textField: 'text', fields: [] }
    const all = await collect(readShard(memorySource(bytes, 13), options))
    expect(all.map(r => 'text' in r && r.text)).toEqual(texts)
    for (const [i, { next }] of all.entries()) {
      const rest = await collect(readShard(memorySource(bytes, 5), { ...options, start: structuredClone(next) }))
      expect(rest).toEqual(all.slice(i + 1))
    }
  }
})
