import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { axis } from '../../src/plot/figure.js'
import { curvePanel } from '../../src/plot/figures/curves.js'
import { withoutOutliers } from '../../src/plot/figures/outliers.js'
import { nthSmallest } from '../../src/plot/nth-smallest.js'

const steps = (n: number) => Array.from({ length: n }, (_, i) => i)
const spiky = steps(100).map(i => (i === 50 ? 1e6 : 2 + Math.sin(i)))

describe('axes without outliers', () => {
  it('end just beyond the bulk where something is beyond it, and stay free where nothing is', () => {
    const clipped = withoutOutliers(axis('loss'), [spiky], { zeroLine: false })
    expect(clipped.max).toBeGreaterThan(3)
    expect(clipped.max).toBeLessThan(3.5)
    expect(clipped.min).toBeNull()
  })

  it('are left as they are for few values, and keep ends that were fixed', () => {
    expect(withoutOutliers(axis('loss'), [[1, 1e9]], { zeroLine: false })).toEqual(axis('loss'))
    const fixed = axis('loss', { max: 7 })
    expect(withoutOutliers(fixed, [spiky], { zeroLine: false }).max).toBe(7)
  })

  it('never cut more than a twentieth of the values, on both kinds of axes', () => {
    const values = fc.array(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), { minLength: 20, maxLength: 200 })
    fc.assert(
      fc.property(values, fc.constantFrom('linear' as const, 'log' as const), (y, scale) => {
        const { min, max } = withoutOutliers(axis('y', { scale }), [y], { zeroLine: false })
        const cut = y.filter(value => (min !== null && value < min) || (max !== null && value > max))
        expect(cut.length).toBeLessThanOrEqual(y.length / 20)
      }),
    )
  })

  it('keep the zero line in sight', () => {
    const y = steps(100).map(i => (i === 0 ? -1e6 : 5 + (i % 3)))
    const shown = withoutOutliers(axis('change'), [y], { zeroLine: true })
    expect(shown.min).toBeLessThanOrEqual(0)
  })

  it('are found from all values of a long run, of which the extremes before all are drawn', () => {
    // one value in a hundred is a spike: of those that are drawn it is far more
    const y = steps(100_000).map(i => (i % 100 === 37 ? (i % 200 === 37 ? 50 : -50) : 2 + Math.sin(i)))
    const curve = { run: 'a', name: 'loss', x: steps(y.length), y }
    for (const smoothing of [0, 0.9]) {
      const options = { colorBy: 'run', yAxis: axis('loss'), clipOutliers: true, maxPoints: 1000, smoothing } as const
      const { yAxis } = curvePanel([curve], options)
      expect(yAxis.max, `smoothing ${smoothing}`).toBeCloseTo(3.2, 1)
      expect(yAxis.min, `smoothing ${smoothing}`).toBeCloseTo(0.8, 1)
    }
  })

  it('rest on ranks as a sort gives them', () => {
    const numbers = fc.array(fc.oneof(fc.double({ noNaN: true }), fc.integer({ min: 0, max: 3 })), { minLength: 1 })
    fc.assert(
      fc.property(numbers, fc.nat(), (values, n) => {
        const sorted = Float64Array.from(values).sort()
        const rank = n % values.length
        expect(nthSmallest(Float64Array.from(values), rank) === sorted[rank]).toBe(true)
      }),
    )
  })

  it('are asked for by an option of the curves', () => {
    const curve = { run: 'a', name: 'loss', x: steps(100), y: spiky }
    const shown = (clipOutliers: boolean) =>
      curvePanel([curve], { colorBy: 'run', yAxis: axis('loss'), clipOutliers }).yAxis.max
    expect(shown(false)).toBeNull()
    expect(shown(true)).toBeLessThan(4)
  })
})
