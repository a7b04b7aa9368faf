import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sampleIndices } from '../../src/plot/downsample.js'
import { drawable } from '../../src/plot/figure.js'
import { smooth } from '../../src/plot/smooth.js'

const method = fc.constantFrom('minMax', 'lttb')
const steps = (n: number) => Array.from({ length: n }, (_, i) => i)

describe('sampleIndices', () => {
  it('keeps at most maxPoints, rising, with the first and the last; minMax keeps the extremes', () => {
    const numbers = fc.array(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { minLength: 5, maxLength: 400 })
    fc.assert(
      fc.property(numbers, fc.integer({ min: 4, max: 100 }), method, (y, maxPoints, how) => {
        const kept = sampleIndices(steps(y.length), y, { maxPoints, method: how })
        expect(kept.length).toBeLessThanOrEqual(maxPoints)
        expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b))
        expect([kept[0], kept.at(-1)]).toEqual([0, y.length - 1])
        if (how === 'lttb') return
        const values = kept.map(i => y[i]!)
        expect([Math.min(...values), Math.max(...values)]).toEqual([Math.min(...y), Math.max(...y)])
      }),
    )
  })

  it('keeps within maxPoints with gaps anywhere, and drops no stretch while there is room', () => {
    const numbers = fc.array(fc.option(fc.double({ min: -9, max: 9, noNaN: true }), { freq: 5 }), { maxLength: 400 })
    fc.assert(
      fc.property(numbers, fc.integer({ min: 4, max: 100 }), method, (y, maxPoints, how) => {
        const kept = sampleIndices(steps(y.length), y, { maxPoints, method: how })
        expect(kept.length).toBeLessThanOrEqual(maxPoints)
        expect(kept).toEqual([...new Set(kept)].sort((a, b) => a - b))
      }),
    )
    const gapped = steps(1000).map(i => (i >= 500 && i < 510 ? null : i))
    const kept = sampleIndices(steps(1000), gapped, { maxPoints: 100, method: 'lttb' })
    expect(kept.filter(i => !drawable(gapped[i]))).toEqual([509])
    expect(kept).toEqual(expect.arrayContaining([0, 499, 510, 999]))
  })

  it('lttb finds the one spike of a flat curve', () => {
    const y = steps(1000).map(i => (i === 637 ? 5 : 0))
    expect(sampleIndices(steps(1000), y, { maxPoints: 20, method: 'lttb' })).toContain(637)
  })

  it('thins a hundred thousand points in well under a redraw', () => {
    const y = steps(100_000).map(Math.sin)
    const start = performance.now()
    for (const how of ['minMax', 'lttb'] as const) sampleIndices(steps(100_000), y, { maxPoints: 1500, method: how })
    expect(performance.now() - start).toBeLessThan(1000)
  })
})

describe('smooth', () => {
  it('has no bias towards zero: a constant stays constant, the first value stays itself', () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true })
    fc.assert(
      fc.property(value, fc.double({ min: 0, max: 0.999, noNaN: true }), (constant, beta) => {
        for (const s of smooth(new Array(20).fill(constant), beta)) expect(s).toBeCloseTo(constant, 6)
      }),
    )
  })

  it('equals its definition', () => {
    const [first, second, third] = smooth([1, 2, 4], 0.5)
    expect(first).toBeCloseTo(1)
    expect(second).toBeCloseTo((0.25 * 1 + 0.5 * 2) / 0.75)
    expect(third).toBeCloseTo((0.125 * 1 + 0.25 * 2 + 0.5 * 4) / 0.875)
  })

  it('passes over missing values', () => {
    expect(smooth([1, null, 1], 0.9)).toEqual([1, null, 1])
    expect(smooth([Number.NaN, 3], 0.9)[0]).toBeNull()
  })
})
