import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { type HubByteSourceOptions, openHubByteSource } from '../../src/checkpoint/hub-byte-source.js'
import { downloadHubFile } from '../../src/checkpoint/hub-download.js'
import { listHubFiles } from '../../src/checkpoint/hub-list.js'
import { sha256 } from '../support/fake-hub.js'
import { COMMIT, noise, type Scene, scene, text } from '../support/hub-scenes.js'

const SIZE = 10_500
const shard = noise(SIZE, 'shard').bytes as Buffer
const SHARD_AT_STORAGE = /^\/blob\/.*\/a\.parquet$/
const ADDRESS = 'hf://datasets/lab/set/data/python/a.parquet'

const open: Scene[] = []
async function start() {
  const made = await scene([
    {
      type: 'dataset',
      name: 'lab/set',
      commit: COMMIT,
      files: {
        'README.md': text('# set'),
        'data/python/a.parquet': { bytes: shard, large: true },
        'data/python/b.parquet': noise(50, 'b'),
        'data/java/a.parquet': noise(60, 'c'),
        'data/empty.zst': text(''),
      },
    },
  ])
  open.push(made)
  const blockCacheDir = mkdtempSync(join(tmpdir(), 'blocks-'))
  const options: HubByteSourceOptions = { ...made.options, blockCacheDir, blockBytes: 1000, cacheBytes: 50_000 }
  return {
    ...made,
    options,
    blockCacheDir,
    ranges: () => made.hub.bodies('a.parquet').map(({ headers }) => headers.range),
  }
}
afterEach(async () => {
  for (const { hub, cacheDir } of open.splice(0)) {
    await hub.close()
    rmSync(cacheDir, { recursive: true })
  }
})

async function read(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

test('only the blocks of a slice are asked for, each once', async () => {
  const { options, ranges } = await start()
  const source = await openHubByteSource(ADDRESS, options)
  expect(source).toMatchObject({ byteLength: SIZE, commit: COMMIT, file: { blobId: sha256(shard) } })
  expect(source.path).toBe(`hf://datasets/lab/set@${COMMIT}/data/python/a.parquet`)
  expect(ranges()).toEqual([])
  expect(shard.subarray(SIZE - 8).equals(await source.slice(SIZE - 8, SIZE))).toBe(true)
  expect(shard.subarray(1999, 3001).equals(await source.slice(1999, 3001))).toBe(true)
  expect(ranges()).toEqual(['bytes=10000-10499', 'bytes=1000-1999', 'bytes=2000-2999', 'bytes=3000-3999'])
  const again = await Promise.all([source.slice(0, 500), source.slice(500, 1000), source.slice(2000, 2001)])
  expect(again.map(({ byteLength }) => byteLength)).toEqual([500, 500, 1])
  expect(ranges().slice(4)).toEqual(['bytes=0-999'])
})

test('any slice and any stream give the bytes of the file', async () => {
  const { options } = await start()
  const source = await openHubByteSource(ADDRESS, options)
  const offset = fc.integer({ min: 0, max: SIZE })
  await fc.assert(
    fc.asyncProperty(offset, offset, async (a, b) => {
      const [start, end] = a < b ? [a, b] : [b, a]
      expect(shard.subarray(start, end).equals(await source.slice(start, end))).toBe(true)
      expect(shard.subarray(start).equals(await read(source.stream(start)))).toBe(true)
    }),
    { numRuns: 25 },
  )
  for (const [start, end] of [
    [-1, 2],
    [5, 4],
    [0, SIZE + 1],
    [0.5, 1],
    [Number.NaN, 1],
  ] as const) {
    await expect(source.slice(start, end)).rejects.toMatchObject({ code: 'BYTE_RANGE' })
  }
  await expect(read(source.stream(SIZE + 1))).rejects.toMatchObject({ code: 'BYTE_RANGE' })
})

test('a returned slice belongs to the caller', async () => {
  const { options } = await start()
  const source = await openHubByteSource(ADDRESS, options)
  const [one, two] = await Promise.all([source.slice(0, 1000), source.slice(0, 1000)])
  one.fill(0)
  expect(shard.subarray(0, 1000).equals(two)).toBe(true)
})

test('blocks are kept on disk within the limit and found by the next process', async () => {
  const { options, ranges, blockCacheDir, hub } = await start()
  const limited = { ...options, cacheBytes: 3 * 1032 }
  const onDisk = () =>
    readdirSync(blockCacheDir).reduce((sum, name) => sum + statSync(join(blockCacheDir, name)).size, 0)
  for await (const _ of (await openHubByteSource(ADDRESS, limited)).stream())
    expect(onDisk()).toBeLessThanOrEqual(3 * 1032)
  expect(ranges()).toHaveLength(11)
  hub.requests.length = 0
  const later = await openHubByteSource(ADDRESS, limited)
  expect(shard.subarray(9000).equals(await later.slice(9000, SIZE))).toBe(true)
  expect(ranges()).toEqual([])

  const newest = join(blockCacheDir, readdirSync(blockCacheDir).find(name => name.endsWith('-10.block'))!)
  const spoiled = readFileSync(newest)
  spoiled[0]! ^= 255
  writeFileSync(newest, spoiled)
  expect(shard.subarray(10_000).equals(await later.slice(10_000, SIZE))).toBe(true)
  expect(ranges()).toEqual(['bytes=10000-10499'])
})

test('a cache that cannot be written costs no block: it is told once and reading goes on', async () => {
  const { options, blockCacheDir, ranges, events } = await start()
  rmSync(blockCacheDir, { recursive: true })
  writeFileSync(blockCacheDir, 'a file in the way of the directory')
  const source = await openHubByteSource(ADDRESS, options)
  expect(await read(source.stream())).toEqual(shard)
  expect(ranges()).toHaveLength(11)
  expect(events).toEqual([
    { kind: 'uncached', path: 'data/python/a.parquet', reason: expect.stringContaining('expected a directory') },
  ])
})

test('a file that lies whole in the hub cache is read from there', async () => {
  const { options, hub } = await start()
  await downloadHubFile(ADDRESS, options)
  hub.requests.length = 0
  const source = await openHubByteSource(ADDRESS, { ...options, offline: true })
  expect(shard.equals(await read(source.stream()))).toBe(true)
  expect(shard.subarray(77, 5077).equals(await source.slice(77, 5077))).toBe(true)
  expect(hub.requests).toEqual([])
})

test('offline, cached blocks are read and others are an error', async () => {
  const { options, hub } = await start()
  await (await openHubByteSource(ADDRESS, options)).slice(0, 1500)
  await hub.close()
  const source = await openHubByteSource(ADDRESS, { ...options, offline: true })
  expect(shard.subarray(0, 2000).equals(await source.slice(0, 2000))).toBe(true)
  await expect(source.slice(2000, 2001)).rejects.toMatchObject({ code: 'HUB_OFFLINE' })
})

test('short, wrong and failed blocks are asked for again', async () => {
  const { options, hub, events } = await start()
  hub.fault(SHARD_AT_STORAGE, 1, (_, response) => response.writeHead(503).end())
  hub.fault(SHARD_AT_STORAGE, 1, (_, response) =>
    response.writeHead(206, { 'content-range': `bytes 1000-1999/${SIZE}` }).end(shard.subarray(1000, 1999)),
  )
  hub.fault(SHARD_AT_STORAGE, 1, (_, response) =>
    response.writeHead(206, { 'content-range': `bytes 0-999/${SIZE}` }).end(shard.subarray(0, 1000)),
  )
  const source = await openHubByteSource(ADDRESS, options)
  expect(shard.subarray(1000, 2000).equals(await source.slice(1000, 2000))).toBe(true)
  expect(events.map(event => event.kind === 'retry' && event.reason)).toEqual([
    'HTTP status 503',
    'short body: 999 of 1000 bytes came',
    `wrong range: asked for bytes 1000-1999/${SIZE}, got "bytes 0-999/${SIZE}"`,
  ])
})

test('a server without ranges, and a file that changes, are errors', async () => {
  const { options, hub } = await start()
  const source = await openHubByteSource(ADDRESS, options)
  hub.fault(SHARD_AT_STORAGE, 1, (_, response) => response.writeHead(200, { 'content-length': SIZE }).end(shard))
  await expect(source.slice(0, 10)).rejects.toMatchObject({ code: 'HUB_NO_RANGES' })
  await source.slice(0, 10)
  hub.fault(SHARD_AT_STORAGE, 1, (_, response) =>
    response
      .writeHead(206, { etag: '"new"', 'content-range': `bytes 1000-1999/${SIZE}` })
      .end(shard.subarray(1000, 2000)),
  )
  await expect(source.slice(1000, 1010)).rejects.toMatchObject({ code: 'HUB_CHANGED' })
})

test('a stream ends with the fault of its block; leaving it early leaves no unhandled fault', async () => {
  const { options, hub } = await start()
  const source = await openHubByteSource(ADDRESS, options)
  hub.fault(SHARD_AT_STORAGE, 1, (_request, _response, serve) => serve())
  hub.fault(SHARD_AT_STORAGE, 99, (_, response) => response.writeHead(403).end())
  const seen: number[] = []
  const readAll = async () => {
    for await (const chunk of source.stream()) seen.push(chunk.byteLength)
  }
  await expect(readAll()).rejects.toMatchObject({
    code: 'RETRY_GAVE_UP',
    message: expect.stringContaining('403 from the storage'),
  })
  for await (const chunk of source.stream()) {
    seen.push(chunk.byteLength)
    break
  }
  expect(seen).toEqual([1000, 1000])
})

test('an expired storage URL is asked for anew', async () => {
  const { options, hub } = await start()
  hub.fault(SHARD_AT_STORAGE, 1, (_, response) => response.writeHead(403).end('expired'))
  const source = await openHubByteSource(ADDRESS, options)
  expect(shard.subarray(0, 9).equals(await source.slice(0, 9))).toBe(true)
  expect(hub.requests.filter(({ path }) => path.includes('/resolve/'))).toHaveLength(2)
})

test('an empty file has no blocks', async () => {
  const { options } = await start()
  const source = await openHubByteSource('hf://datasets/lab/set/data/empty.zst', options)
  expect(source.byteLength).toBe(0)
  expect(await read(source.stream())).toHaveLength(0)
  expect(await source.slice(0, 0)).toHaveLength(0)
})

test('a cache that cannot hold two blocks is refused before any request', async () => {
  const { options, hub } = await start()
  await expect(openHubByteSource(ADDRESS, { ...options, cacheBytes: 1500 })).rejects.toMatchObject({
    code: 'CACHE_LIMIT',
  })
  expect(hub.requests).toEqual([])
})

test.each([
  [
    'hf://datasets/lab/set',
    ['README.md', 'data/empty.zst', 'data/java/a.parquet', 'data/python/a.parquet', 'data/python/b.parquet'],
  ],
  ['hf://datasets/lab/set/data/python', ['data/python/a.parquet', 'data/python/b.parquet']],
  ['hf://datasets/lab/set@main/data/*/a.parquet', ['data/java/a.parquet', 'data/python/a.parquet']],
  ['hf://datasets/lab/set/**/*.{zst,md}', ['README.md', 'data/empty.zst']],
  ['hf://datasets/lab/set/README.md', ['README.md']],
])('listing %s', async (address, paths) => {
  const { options } = await start()
  const { commit, files } = await listHubFiles(address, options)
  expect(commit).toBe(COMMIT)
  expect(files.map(({ path }) => path)).toEqual(paths)
  expect(
    files.every(({ byteLength, blobId }) => Number.isInteger(byteLength) && /^[0-9a-f]{40,64}$/.test(blobId)),
  ).toBe(true)
})

test('a listing is fetched once per commit, works offline, and names the nearest path', async () => {
  const { options, hub } = await start()
  await listHubFiles('hf://datasets/lab/set', options)
  const trees = () => hub.requests.filter(({ path }) => path.includes('/tree/')).length
  expect(trees()).toBe(3) // 5 files and a folder, two a page
  await listHubFiles('hf://datasets/lab/set/data', { ...options, offline: true })
  expect(trees()).toBe(3)
  await expect(listHubFiles('hf://datasets/lab/set/data/pyhton', options)).rejects.toThrowError(
    'Did you mean "data/python"?',
  )
  await expect(listHubFiles('hf://datasets/lab/set/*.gz', options)).rejects.toMatchObject({
    code: 'HUB_FILE_NOT_FOUND',
  })
})
