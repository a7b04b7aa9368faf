import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { Decompress, decompress } from 'fzstd'
import { describe, expect, it } from 'vitest'
import { composeMath } from '../../datasets/demo/math-shards.js'
import { concat, zstdStoreFrame } from '../../datasets/demo/zstd-store.js'

const math = fileURLToPath(new URL('../../datasets/demo/math', import.meta.url))
const hasZstd = spawnSync('zstd', ['--version']).status === 0

/** All frames of a file, decoded. */
function decode(bytes: Uint8Array): Uint8Array {
  const chunks: Uint8Array[] = []
  const stream = new Decompress(chunk => chunks.push(chunk))
  stream.push(bytes, true)
  return concat(chunks)
}

describe('store-only zstd frames', () => {
  it('decode to the content, whatever it is', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), content => {
        expect(decompress(zstdStoreFrame(content))).toEqual(content)
      }),
    )
  })

  it('hold content of several blocks, at and around the block size', () => {
    for (const size of [0, 1, 131_071, 131_072, 131_073, 300_000]) {
      const content = Uint8Array.from({ length: size }, (_, i) => (i * 31) & 0xff)
      const frame = zstdStoreFrame(content)
      expect(frame.byteLength - size).toBe(9 + 3 * Math.max(1, Math.ceil(size / 131_072)))
      expect(Buffer.compare(decompress(frame), content)).toBe(0)
    }
  })

  it('write a run of one byte as one byte', () => {
    const frame = zstdStoreFrame(new Uint8Array(200_000).fill(7))
    expect(frame.byteLength).toBe(9 + 2 * 4)
    expect(Buffer.compare(decompress(frame), new Uint8Array(200_000).fill(7))).toBe(0)
  })

  it('decode one after another from one file', () => {
    const parts = ['first\n', '', 'third\n'].map(text => new TextEncoder().encode(text))
    expect(Buffer.from(decode(concat(parts.map(zstdStoreFrame)))).toString()).toBe('first\nthird\n')
  })

  it.skipIf(!hasZstd)('are accepted by the zstd program', () => {
    const content = Buffer.from('some text\n'.repeat(30_000))
    const input = concat([zstdStoreFrame(content), zstdStoreFrame(new Uint8Array(0)), zstdStoreFrame(content)])
    const output = execFileSync('zstd', ['-dc'], { input, maxBuffer: 2 ** 24 })
    expect(Buffer.compare(output, Buffer.concat([content, content]))).toBe(0)
  })

  it('the shards decode to the composed records, with meta', () => {
    const records = ['train', 'validation'].flatMap(split =>
      readdirSync(`${math}/${split}`)
        .sort()
        .flatMap(name =>
          Buffer.from(decode(readFileSync(`${math}/${split}/${name}`)))
            .toString()
            .trimEnd()
            .split('\n'),
        ),
    )
    const { train, validation } = composeMath()
    expect(records.map(line => JSON.parse(line))).toEqual([...train, ...validation])
  })
})
