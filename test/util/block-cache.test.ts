import { mkdtempSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { BlockCache } from '../../src/util/block-cache.js'

const directoryOf = () => mkdtempSync(join(tmpdir(), 'blocks-'))
const block = (fill: number, bytes = 100) => new Uint8Array(bytes).fill(fill)
const sizeOf = (directory: string) =>
  readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)

test('the least recently used blocks go first, and the limit holds after every put', async () => {
  const directory = directoryOf()
  const cache = new BlockCache({ directory, limitBytes: 3 * 132, blockBytes: 100 })
  for (const key of [1, 2, 3]) {
    await cache.put(`k${key}`, block(key))
    const past = new Date(Date.now() - 100_000 + key * 1000)
    utimesSync(join(directory, `k${key}.block`), past, past)
  }
  expect(await cache.get('k1')).toEqual(block(1)) // now the most recently used
  for (const key of [4, 5]) {
    await cache.put(`k${key}`, block(key))
    expect(sizeOf(directory)).toBeLessThanOrEqual(3 * 132)
  }
  expect(readdirSync(directory).sort()).toEqual(['k1.block', 'k4.block', 'k5.block'])
})

test('what an earlier process left counts towards the limit', async () => {
  const directory = directoryOf()
  const options = { directory, limitBytes: 3 * 132, blockBytes: 100 }
  for (const key of [1, 2, 3]) await new BlockCache(options).put(`k${key}`, block(key))
  await new BlockCache(options).put('k4', block(4))
  expect(sizeOf(directory)).toBeLessThanOrEqual(3 * 132)
})

test('a torn or changed block is dropped', async () => {
  const directory = directoryOf()
  const cache = new BlockCache({ directory, limitBytes: 10_000, blockBytes: 100 })
  const path = join(directory, 'k.block')
  for (const spoil of [
    (b: Buffer) => b.subarray(0, 50),
    (b: Buffer) => b.subarray(0, 5),
    (b: Buffer) => b.fill(9, 3, 4),
  ]) {
    await cache.put('k', block(1))
    writeFileSync(path, spoil(readFileSync(path)))
    expect(await cache.get('k')).toBeNull()
    expect(readdirSync(directory)).toEqual([])
  }
})

test('a disk that cannot be written: put fails, what is there is still read', async () => {
  const directory = join(directoryOf(), 'a-file-in-the-way')
  writeFileSync(directory, '')
  const cache = new BlockCache({ directory, limitBytes: 10_000, blockBytes: 100 })
  await expect(cache.put('k', block(1))).rejects.toThrow()
  expect(await cache.get('k')).toBeNull()
})

test('a limit below two blocks is refused with both sizes', () => {
  expect(() => new BlockCache({ directory: 'x', limitBytes: 8e6, blockBytes: 8e6 })).toThrowError(/8\.00 MB.*8\.00 MB/)
})
