import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { axis } from '../../src/plot/figure.js'
import { axisTicks, formatTick, linearTicks, logTicks, niceStep } from '../../src/plot/ticks.js'

const labels = (ticks: { label: string }[]) => ticks.map(tick => tick.label)

describe('linearTicks', () => {
  it('chooses round numbers and just the decimals they need', () => {
    expect(labels(linearTicks(0, 1, 5))).toEqual(['0.0', '0.2', '0.4', '0.6', '0.8', '1.0'])
    expect(labels(linearTicks(-0.012, 0.031, 5))).toEqual(['−0.01', '0.00', '0.01', '0.02', '0.03'])
    expect(labels(linearTicks(0, 200_000, 4, 'count'))).toEqual(['0', '50k', '100k', '150k', '200k'])
    expect(labels(linearTicks(0, 2, 5, 'count'))).toEqual(['0', '1', '2'])
    expect(labels(linearTicks(0, 150, 5, 'seconds'))).toEqual(['0', '30 s', '1 min', '1.5 min', '2 min', '2.5 min'])
    expect(labels(linearTicks(0, 2.5e9, 5, 'bytes'))).toEqual(['0 B', '500 MB', '1 GB', '1.5 GB', '2 GB', '2.5 GB'])
    expect(labels(linearTicks(0, 1, 4, 'percent'))).toEqual(['0 %', '50 %', '100 %'])
    expect(labels(linearTicks(0, 3e-5, 3))).toEqual(['0', '1e−5', '2e−5', '3e−5'])
  })

  it('is inside the range, evenly spaced, not more than asked for, at least two for a count of 2 or more', () => {
    const magnitude = fc.double({ min: -1e6, max: 1e6, noNaN: true })
    const size = fc.double({ min: -9, max: 9, noNaN: true }).map(e => 10 ** e)
    fc.assert(
      fc.property(magnitude, size, fc.integer({ min: 2, max: 12 }), (low, span, count) => {
        fc.pre(span > Math.abs(low) * 1e-9)
        const high = low + span
        const ticks = linearTicks(low, high, count)
        const slack = span * 1e-6
        expect(ticks.length).toBeGreaterThan(1)
        expect(ticks.length).toBeLessThanOrEqual(Math.max(6, count + 1))
        for (const { value } of ticks) expect(value >= low - slack && value <= high + slack).toBe(true)
        const gaps = ticks.slice(1).map((tick, i) => tick.value - ticks[i]!.value)
        for (const gap of gaps) expect(Math.abs(gap - gaps[0]!)).toBeLessThan(slack)
      }),
    )
  })

  it('gives every tick its own label', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e5, max: 1e5, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
        fc.constantFrom('number', 'count', 'seconds', 'bytes', 'percent'),
        (low, span, format) => {
          const shown = labels(linearTicks(low, low + span, 5, format))
          expect(new Set(shown).size).toBe(shown.length)
        },
      ),
    )
  })
})

describe('logTicks', () => {
  it('marks decades, fills few decades with 2 and 5, thins many', () => {
    expect(labels(logTicks(0.02, 700, 6))).toEqual(['0.1', '1', '10', '100'])
    expect(labels(logTicks(1, 20, 6))).toEqual(['1', '2', '5', '10', '20'])
    expect(labels(logTicks(1e-12, 1, 4))).toEqual(
      ['1e−12', '1e−9', '1e−6', '1e−3', '1'].map(s => (s === '1e−3' ? '0.001' : s)),
    )
    expect(labels(logTicks(2, 3, 5))).toEqual(['2.0', '2.2', '2.4', '2.6', '2.8', '3.0'])
  })

  it('stays inside the range and positive', () => {
    const exponent = fc.double({ min: -20, max: 20, noNaN: true })
    fc.assert(
      fc.property(exponent, fc.double({ min: 0.01, max: 30, noNaN: true }), (low, decades) => {
        const [min, max] = [10 ** low, 10 ** (low + decades)]
        const ticks = logTicks(min, max, 6)
        for (const { value } of ticks) expect(value >= min * 0.999 && value <= max * 1.001 && value > 0).toBe(true)
        expect(ticks.length).toBeLessThanOrEqual(9)
      }),
    )
  })
})

describe('formatTick and axisTicks', () => {
  it('rounds the step up to 1, 2 or 5 times a power of ten', () => {
    expect([0.7, 1, 1.1, 2.1, 5.5, 0.03].map(niceStep)).toEqual([1, 1, 2, 5, 10, 0.05])
  })

  it('writes no minus before zero, and large numbers short', () => {
    expect(formatTick(-1e-13, 0.5, 'number')).toBe('−1e−13')
    expect(formatTick(-0, 0.5, 'number')).toBe('0.0')
    expect(formatTick(1.5e18, 5e17, 'number')).toBe('1.5e18')
    expect(formatTick(12_500_000, 500_000, 'count')).toBe('12.5M')
  })

  it('names categories, thinned when there is no room', () => {
    const categories = Array.from({ length: 10 }, (_, i) => `block ${i}`)
    expect(labels(axisTicks(axis('layer', { categories }), [-0.5, 9.5], 20))).toEqual(categories)
    expect(labels(axisTicks(axis('layer', { categories }), [-0.5, 9.5], 4))).toEqual(
      [0, 2, 4, 6, 8].map(i => `block ${i}`),
    )
  })
})
