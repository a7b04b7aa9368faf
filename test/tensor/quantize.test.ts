/** Rounding by block, and the bytes it makes, against what the definition says. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bf16ToF32 } from '../../src/tensor/half.js'
import {
  dequantizeBlocks,
  QUANTIZED_BLOCK,
  type QuantizedPart,
  quantizationError,
  quantizeBlocks,
} from '../../src/tensor/quantize.js'
import { keyOf, Prng } from '../../src/util/prng.js'

type Bits = 4 | 8

function quantized(values: Float32Array, bits: Bits) {
  const part: QuantizedPart = {
    codes: new Uint8Array((values.length * bits) / 8),
    scales: new Uint16Array(values.length / QUANTIZED_BLOCK),
  }
  const sums = { squaredError: 0, squaredValue: 0, maxAbs: 0 }
  quantizeBlocks(values, bits, part, sums)
  return { part, error: quantizationError(sums), back: dequantizeBlocks(part, bits) }
}

const normal = (length: number) => {
  const random = new Prng(keyOf('quantize'))
  return Float32Array.from({ length }, () => 0.02 * random.normal())
}

describe.each([4, 8] as const)('weights in %i bits', bits => {
  it('are off by at most half a step, but for one end of the range, and keep the largest of a block', () => {
    const block = fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), {
      minLength: QUANTIZED_BLOCK,
      maxLength: QUANTIZED_BLOCK,
    })
    fc.assert(
      fc.property(block, numbers => {
        const values = Float32Array.from(numbers, x => (Math.abs(x) < 1e-30 ? 0 : x))
        const { part, back } = quantized(values, bits)
        const step = Math.abs(bf16ToF32(part.scales[0]!))
        const largest = values.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a))
        // bf16 keeps 8 bits of the scale
        expect(Math.abs(back[values.indexOf(largest)]! - largest)).toBeLessThanOrEqual(Math.abs(largest) / 256)
        for (const [i, value] of values.entries())
          expect(Math.abs(back[i]! - value)).toBeLessThanOrEqual(step * (1 + 1e-6) + Math.abs(largest) / 256)
      }),
    )
  })

  it('report their own error', () => {
    const values = normal(64 * QUANTIZED_BLOCK)
    const { error, back } = quantized(values, bits)
    const differences = values.map((v, i) => v - back[i]!)
    const norm = (x: Float32Array) => Math.hypot(...x)
    expect(error.relativeL2).toBeCloseTo(norm(differences) / norm(values), 5)
    expect(error.maxAbs).toBeCloseTo(Math.max(...differences.map(Math.abs)), 6)
    // normal weights: 0.08 in 4 bits, 0.005 in 8
    expect(error.relativeL2).toBeLessThan(bits === 4 ? 0.09 : 0.006)
    expect(error.relativeL2).toBeGreaterThan(bits === 4 ? 0.06 : 0.003)
  })

  it('are exact once rounded', () => {
    const { back } = quantized(normal(8 * QUANTIZED_BLOCK), bits)
    const again = quantized(back, bits)
    expect(again.error).toEqual({ relativeL2: 0, maxAbs: 0 })
    expect(again.back).toEqual(back)
  })

  it('hold zeros exactly and let no infinity pass unnoticed', () => {
    expect(quantized(new Float32Array(QUANTIZED_BLOCK), bits)).toMatchObject({ error: { relativeL2: 0, maxAbs: 0 } })
    const bad = new Float32Array(QUANTIZED_BLOCK)
    bad[7] = Number.POSITIVE_INFINITY
    expect(Number.isNaN(quantized(bad, bits).error.relativeL2)).toBe(true)
  })
})
