import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { duplicateKey } from '../../src/checkpoint/duplicate-keys.js'
import { encodeHeader, headerLength, parseHeader } from '../../src/checkpoint/header.js'
import { readSafetensors } from '../../src/checkpoint/read.js'
import { dtypeBits } from '../../src/checkpoint/tensor-source.js'
import { LabError } from '../../src/util/errors.js'
import { temporaryDirectory } from '../support/temporary.js'

const dir = temporaryDirectory('header')

const encode = (text: string) => new TextEncoder().encode(text)

/** Parses a header made of this JSON with so many bytes of data behind it; the code of the error, or 'ok'. */
function verdict(json: string | Uint8Array | Record<string, unknown>, dataBytes = 0): string {
  const bytes = json instanceof Uint8Array ? json : encode(typeof json === 'string' ? json : JSON.stringify(json))
  try {
    parseHeader(bytes, 8 + bytes.byteLength + dataBytes, 'file')
    return 'ok'
  } catch (error) {
    if (error instanceof LabError) return error.code.replace('SAFETENSORS_', '')
    throw error
  }
}

const tensor = (begin: number, end: number, shape = [(end - begin) / 4], dtype = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
})

describe('a valid header', () => {
  it('may be empty, padded, list tensors in any order and hold empty tensors', () => {
    expect(verdict('{}')).toBe('ok')
    expect(verdict('{}      ')).toBe('ok')
    expect(verdict({ b: tensor(8, 16), a: tensor(0, 8), __metadata__: { format: 'pt' } }, 16)).toBe('ok')
    expect(
      verdict({ a: tensor(0, 8), none: tensor(8, 8, [0, 3]), b: tensor(8, 12), scalar: tensor(12, 16, []) }, 16),
    ).toBe('ok')
  })
})

describe('a broken header is refused by the rule it breaks', () => {
  const deep = '['.repeat(200_000)
  it.each<[string, string | Uint8Array | Record<string, unknown>, number]>([
    ['HEADER_START', '', 0],
    ['HEADER_START', ' {}', 0],
    ['HEADER_START', '[]', 0],
    ['HEADER_START', Uint8Array.of(0xef, 0xbb, 0xbf, 0x7b, 0x7d), 0],
    ['HEADER_JSON', '{"a":', 0],
    ['HEADER_JSON', '{} x', 0],
    ['HEADER_JSON', `{"a":${deep}`, 0],
    ['HEADER_UTF8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d), 0],
    ['DUPLICATE_KEY', '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":1}', 0],
    ['DUPLICATE_KEY', '{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}', 0],
    ['METADATA', { __metadata__: { a: 1 } }, 0],
    ['METADATA', { __metadata__: [] }, 0],
    ['DTYPE', { a: null }, 0],
    ['DTYPE', { a: tensor(0, 4, [1], 'F33') }, 4],
    ['DTYPE', { a: tensor(0, 4, [1], 'toString') }, 4],
    ['SHAPE', { a: { ...tensor(0, 4), shape: [-1] } }, 4],
    ['SHAPE', { a: { ...tensor(0, 4), shape: [1.5] } }, 4],
    ['SHAPE', { a: { ...tensor(0, 4), shape: '1' } }, 4],
    ['SHAPE_OVERFLOW', { a: tensor(0, 4, [2 ** 52, 2 ** 52]) }, 4],
    ['SHAPE_OVERFLOW', { a: tensor(0, 0, [2 ** 52, 2 ** 52, 0]) }, 0],
    ['SHAPE_OVERFLOW', { a: tensor(0, 1, [3], 'F4') }, 1],
    ['OFFSETS', { a: tensor(4, 0, [0]) }, 4],
    ['OFFSETS', { a: { ...tensor(0, 4), data_offsets: [-4, 0] } }, 4],
    ['OFFSETS', { a: { ...tensor(0, 4), data_offsets: [0, 4, 8] } }, 4],
    ['OFFSETS', { a: { ...tensor(0, 4), data_offsets: [0, 1e300] } }, 4],
    ['SIZE', { a: tensor(0, 4, [2]) }, 4],
    ['OUT_OF_BOUNDS', { a: tensor(0, 8) }, 4],
    ['OVERLAP', { a: tensor(0, 8), b: tensor(4, 12) }, 12],
    ['OVERLAP', { a: tensor(0, 8), b: tensor(0, 8) }, 8],
    ['HOLE', { a: tensor(0, 4), b: tensor(8, 12) }, 12],
    ['HOLE', { a: tensor(4, 8) }, 8],
    ['HOLE', { a: tensor(0, 4) }, 5],
  ])('%s: %j', (rule, json, dataBytes) => expect(verdict(json, dataBytes)).toBe(rule))

  it('names the tensor and the numbers', () => {
    const bytes = encode(JSON.stringify({ 'model.norm.weight': tensor(0, 4, [2]) }))
    expect(() => parseHeader(bytes, bytes.byteLength + 12, 'a.safetensors')).toThrow(
      /a\.safetensors: tensor "model\.norm\.weight": shape \[2\] of F32 takes 8 bytes, but data_offsets span 4/,
    )
  })
})

describe('headerLength', () => {
  const prefix = (length: bigint) => new Uint8Array(BigUint64Array.of(length).buffer)
  it('refuses a length beyond the file or the limit before anything is read', () => {
    expect(headerLength(prefix(2n), 10, 'f')).toBe(2)
    expect(() => headerLength(prefix(3n), 10, 'f')).toThrow(expect.objectContaining({ code: 'SAFETENSORS_TRUNCATED' }))
    expect(() => headerLength(new Uint8Array(3), 3, 'f')).toThrow(
      expect.objectContaining({ code: 'SAFETENSORS_TRUNCATED' }),
    )
    for (const length of [25_000_001n, 2n ** 53n, 2n ** 64n - 1n])
      expect(() => headerLength(prefix(length), 2 ** 53, 'f')).toThrow(
        expect.objectContaining({ code: 'SAFETENSORS_HEADER_TOO_LONG' }),
      )
  })
})

describe('duplicateKey', () => {
  it('finds exactly the objects with a repeated key', () => {
    expect(duplicateKey('{"a":[{"b":1},{"b":2}],"c":{"a":"a, \\"a\\": {"}}')).toBeNull()
    expect(duplicateKey('{"a":[{"b":1,"c":[],"b":2}]}')).toBe('b')
    fc.assert(fc.property(fc.json(), text => duplicateKey(JSON.stringify(JSON.parse(text))) === null))
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), record => {
        const text = JSON.stringify(record)
        const key = Object.keys(record)[0]!
        expect(duplicateKey(`${text.slice(0, -1)},${JSON.stringify(key)}:0}`)).toBe(key)
      }),
    )
  })
})

describe('encodeHeader', () => {
  const dtype = fc.constantFrom(
    ...(Object.keys(dtypeBits) as (keyof typeof dtypeBits)[]).filter(d => dtypeBits[d] >= 8),
  )
  const shape = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 })
  const tensors = fc.uniqueArray(fc.record({ name: fc.string().filter(n => n !== '__metadata__'), dtype, shape }), {
    selector: t => t.name,
    maxLength: 8,
  })

  it('writes what parseHeader reads, every tensor aligned to its element', () => {
    fc.assert(
      fc.property(tensors, list => {
        const { bytes, order, dataBytes } = encodeHeader(list, { format: 'pt' })
        expect(bytes.byteLength % 8).toBe(0)
        const header = parseHeader(bytes.subarray(8), bytes.byteLength + dataBytes, 'f')
        expect(header.metadata).toEqual({ format: 'pt' })
        expect([...header.tensors.keys()].sort()).toEqual([...order].sort())
        for (const { name, dtype, shape } of list) {
          expect(header.tensors.get(name)).toMatchObject({ dtype, shape })
          expect((header.dataOffset + header.tensors.get(name)!.begin) % (dtypeBits[dtype] / 8)).toBe(0)
        }
      }),
    )
  })

  it('refuses two tensors of one name', () => {
    const t = { name: 'a', dtype: 'F32', shape: [1] } as const
    expect(() => encodeHeader([t, t])).toThrow(/"a"/)
    expect(() => encodeHeader([{ ...t, name: '__metadata__' }])).toThrow(/__metadata__/)
  })
})

describe('a file with flipped bits', () => {
  const { bytes, dataBytes } = encodeHeader(
    [
      { name: 'model.embed_tokens.weight', dtype: 'F32', shape: [4, 2] },
      { name: 'model.norm.weight', dtype: 'BF16', shape: [2] },
    ],
    { format: 'pt' },
  )
  const file = new Uint8Array(bytes.byteLength + dataBytes)
  file.set(bytes)

  it('is read as a valid file or refused, and nothing else', async () => {
    const path = join(dir, 'flipped.safetensors')
    const flips = fc.array(fc.integer({ min: 0, max: bytes.byteLength * 8 - 1 }), { minLength: 1, maxLength: 4 })
    await fc.assert(
      fc.asyncProperty(flips, fc.option(fc.integer({ min: 0, max: file.byteLength })), async (bits, cut) => {
        const damaged = file.slice(0, cut ?? undefined)
        for (const bit of bits) if (bit >> 3 < damaged.byteLength) damaged[bit >> 3]! ^= 1 << (bit & 7)
        writeFileSync(path, damaged)
        try {
          const { tensors } = await readSafetensors(path)
          let end = 0
          for (const source of tensors.values()) end = Math.max(end, source.byteOffset + source.byteLength)
          expect(end).toBeLessThanOrEqual(damaged.byteLength)
        } catch (error) {
          expect(error).toBeInstanceOf(LabError)
          expect((error as LabError).code).toMatch(/^SAFETENSORS_/)
        }
      }),
      { numRuns: 600 },
    )
  })
})
