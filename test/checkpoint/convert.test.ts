import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromFloat32, toFloat32, toInt32 } from '../../src/checkpoint/convert.js'

/** The value of float16 bits by the definition: (-1)^s * 2^(e-15) * (1 + f/1024), subnormals f * 2^-24. */
function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * 2 ** (exponent - 15) * (1 + fraction / 1024)
}

const words = (bytes: Uint8Array) => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2)
const allWords = Uint16Array.from({ length: 65536 }, (_, i) => i)
const allBytes = new Uint8Array(allWords.buffer)
const isNaNWord = { F16: (w: number) => (w & 0x7fff) > 0x7c00, BF16: (w: number) => (w & 0x7fff) > 0x7f80 }

describe('every 16-bit value', () => {
  it('widens to the float that its bits define', () => {
    const values = toFloat32(allBytes, 'F16')
    for (let i = 0; i < 65536; i++)
      if (!Object.is(values[i], halfValue(i))) expect(values[i], `bits ${i}`).toBe(halfValue(i))
    const brain = new Uint32Array(toFloat32(allBytes, 'BF16').buffer)
    expect(brain.every((bits, i) => bits === (i << 16) >>> 0)).toBe(true)
  })

  it.each(['F16', 'BF16'] as const)('comes back from float32 unchanged (%s)', dtype => {
    const back = words(fromFloat32(toFloat32(allBytes, dtype), dtype))
    for (let i = 0; i < 65536; i++) {
      if (isNaNWord[dtype](i)) expect(isNaNWord[dtype](back[i]!)).toBe(true)
      else if (back[i] !== i) expect(back[i]).toBe(i)
    }
  })
})

describe('rounding', () => {
  /** The nearest of all finite values of a type, ties to the even pattern, by search. */
  function nearestWord(x: number, dtype: 'F16' | 'BF16'): number {
    const magnitudeOf = (word: number) => toFloat32(new Uint8Array(Uint16Array.of(word).buffer), dtype)[0]!
    const top = dtype === 'F16' ? 0x7c00 : 0x7f80
    const magnitude = Math.abs(x)
    let low = 0
    let high = top
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (magnitudeOf(middle) <= magnitude) low = middle
      else high = middle
    }
    // the step to infinity counts as one more step of the last binade
    const above = high === top ? magnitudeOf(low) + (magnitudeOf(low) - magnitudeOf(low - 1)) : magnitudeOf(high)
    const down = magnitude - magnitudeOf(low)
    const up = above - magnitude
    const word = down < up || (down === up && low % 2 === 0) ? low : high
    return Math.sign(x) < 0 || Object.is(x, -0) ? word | 0x8000 : word
  }

  it.each(['F16', 'BF16'] as const)('is to nearest, ties to even (%s)', dtype => {
    const float = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.float({ min: Math.fround(-7e4), max: Math.fround(7e4), noNaN: true }),
      fc.float({ min: Math.fround(-2e-7), max: Math.fround(2e-7), noNaN: true }),
      // exact halves between two neighbours
      fc.integer({ min: 0, max: 0x7bfe }).map(w => Math.fround((halfValue(w) + halfValue(w + 1)) / 2)),
    )
    fc.assert(
      fc.property(float, x => words(fromFloat32(Float32Array.of(x), dtype))[0] === nearestWord(Math.fround(x), dtype)),
      { numRuns: 3000 },
    )
  })

  it('keeps infinities and NaN, and overflows to infinity from halfway beyond the largest value', () => {
    const { POSITIVE_INFINITY: inf, NaN: nan } = Number
    const through = (x: number, dtype: 'F16' | 'BF16') => toFloat32(fromFloat32(Float32Array.of(x), dtype), dtype)[0]
    for (const dtype of ['F16', 'BF16'] as const) {
      expect([inf, -inf, nan, -0].map(x => through(x, dtype))).toEqual([inf, -inf, nan, -0])
      const signalling = new Float32Array(Uint32Array.of(0x7f800001, 0xff800001).buffer)
      expect([...toFloat32(fromFloat32(signalling, dtype), dtype)]).toEqual([nan, nan])
    }
    expect([65519, 65520].map(x => through(x, 'F16'))).toEqual([65504, inf])
    expect(through(3.4028235e38, 'BF16')).toBe(inf)
  })
})

describe('toFloat32', () => {
  it('reads bytes at any alignment and refuses what is not a weight', () => {
    const bytes = new Uint8Array(9)
    bytes.set(fromFloat32(Float32Array.of(1.5, -2), 'F32'), 1)
    expect([...toFloat32(bytes.subarray(1), 'F32')]).toEqual([1.5, -2])
    expect([...toFloat32(Uint8Array.of(0, 0, 0xc0, 0x3f, 0).subarray(2, 4), 'BF16')]).toEqual([1.5])
    expect(() => toFloat32(bytes, 'F32')).toThrow(/whole number/)
    expect(() => toFloat32(bytes, 'F8_E4M3')).toThrow(/F8_E4M3/)
  })
})

describe('toInt32', () => {
  it('reads 32- and 64-bit ids and refuses what does not fit', () => {
    expect([...toInt32(new Uint8Array(BigInt64Array.of(5n, -1n).buffer), 'I64')]).toEqual([5, -1])
    expect([...toInt32(new Uint8Array(Int32Array.of(7).buffer), 'I32')]).toEqual([7])
    expect(() => toInt32(new Uint8Array(BigInt64Array.of(2n ** 31n).buffer), 'I64')).toThrow(/32 bits/)
    expect(() => toInt32(new Uint8Array(4), 'F32')).toThrow(/F32/)
  })
})
