import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/tensor/half.js'

describe('f16', () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65504, 0x7bff],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [1023 * 2 ** -24, 0x03ff],
    [1 / 3, 0x3555],
    [Number.POSITIVE_INFINITY, 0x7c00],
    [Number.NEGATIVE_INFINITY, 0xfc00],
  ])('%d is %i', (value, bits) => {
    expect(f32ToF16(value)).toBe(bits)
    if (value !== 1 / 3) expect(f16ToF32(bits)).toBe(value)
  })

  it.each([
    // halfway between 1 and its neighbours goes to the even one
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    // half of the smallest, and a hair more
    [2 ** -25, 0x0000],
    [2 ** -25 + 2 ** -40, 0x0001],
    [3 * 2 ** -25, 0x0002],
    // the largest subnormal rounds up into the normal numbers
    [1023.5 * 2 ** -24, 0x0400],
    // 65520 is the first that rounds to infinity
    [65519.99, 0x7bff],
    [65520, 0x7c00],
    [1e30, 0x7c00],
  ])('%d rounds to %i', (value, bits) => {
    expect(f32ToF16(value)).toBe(bits)
  })

  it('keeps every bit pattern through f32 and back', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = f16ToF32(bits)
      if (Number.isNaN(value)) expect(Number.isNaN(f16ToF32(f32ToF16(value)))).toBe(true)
      else if (f32ToF16(value) !== bits) expect.unreachable(`0x${bits.toString(16)}`)
    }
  })

  it('rounds to the nearest', () => {
    fc.assert(
      fc.property(fc.float({ min: -65000, max: 65000, noNaN: true }), value => {
        const bits = f32ToF16(value)
        const error = Math.abs(f16ToF32(bits) - value)
        for (const other of [bits - 1, bits + 1])
          if ((other & 0x7fff) <= 0x7bff && other >= 0)
            expect(error).toBeLessThanOrEqual(Math.abs(f16ToF32(other) - value))
      }),
    )
  })
})

describe('bf16', () => {
  it.each([
    [0, 0x0000],
    [-0, 0x8000],
    [1, 0x3f80],
    [-2.5, 0xc020],
    [3.3895313892515355e38, 0x7f7f],
    [2 ** -133, 0x0001],
    [Number.POSITIVE_INFINITY, 0x7f80],
    [Number.NEGATIVE_INFINITY, 0xff80],
  ])('%d is %i', (value, bits) => {
    expect(f32ToBf16(value)).toBe(bits)
    expect(bf16ToF32(bits)).toBe(value)
  })

  it.each([
    [1 + 2 ** -8, 0x3f80],
    [1 + 3 * 2 ** -8, 0x3f82],
    [1 + 2 ** -8 + 2 ** -20, 0x3f81],
    // above the largest, and the largest f32
    [3.4e38, 0x7f80],
    [3.4028234663852886e38, 0x7f80],
    [-3.4028234663852886e38, 0xff80],
  ])('%d rounds to %i', (value, bits) => {
    expect(f32ToBf16(value)).toBe(bits)
  })

  it('a NaN stays one, though its lower bits are cut off', () => {
    const word = new Uint32Array([0x7f80_0001])
    expect(Number.isNaN(bf16ToF32(f32ToBf16(new Float32Array(word.buffer)[0]!)))).toBe(true)
    expect(Number.isNaN(bf16ToF32(f32ToBf16(Number.NaN)))).toBe(true)
  })

  it('keeps every bit pattern through f32 and back', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = bf16ToF32(bits)
      if (Number.isNaN(value)) expect(Number.isNaN(bf16ToF32(f32ToBf16(value)))).toBe(true)
      else if (f32ToBf16(value) !== bits) expect.unreachable(`0x${bits.toString(16)}`)
    }
  })
})
