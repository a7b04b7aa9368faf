import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lrFactor, type ScheduleConfig } from '../../src/train/schedule.js'

function curve(config: Partial<ScheduleConfig>, steps: number): number[] {
  const full: ScheduleConfig = { kind: 'cosine', warmupRatio: 0, minLrRatio: 0, ...config }
  return Array.from({ length: steps }, (_, step) => lrFactor(full, step, steps))
}

function expectClose(ours: number[], theirs: number[]): void {
  expect(ours).toHaveLength(theirs.length)
  for (const [i, value] of ours.entries()) expect(value, `step ${i}`).toBeCloseTo(theirs[i]!, 12)
}

describe('the learning rate schedule, against values worked out by hand', () => {
  it('a cosine from 1 to 0: (1 + cos(pi k / 4)) / 2', () => {
    expectClose(curve({}, 5), [1, (1 + Math.SQRT1_2) / 2, 0.5, (1 - Math.SQRT1_2) / 2, 0])
  })

  it('a cosine down to a floor: 0.1 + 0.9 (1 + cos) / 2', () => {
    expectClose(curve({ minLrRatio: 0.1 }, 3), [1, 0.55, 0.1])
  })

  it('warm-up in equal parts, its last step at the peak, then the cosine', () => {
    expectClose(curve({ warmupRatio: 0.4 }, 10), [
      ...[0.25, 0.5, 0.75, 1],
      ...[0, 1, 2, 3, 4, 5].map(k => (1 + Math.cos((Math.PI * k) / 5)) / 2),
    ])
  })

  it('constant after warm-up', () => {
    expectClose(curve({ kind: 'constant', warmupRatio: 0.5, minLrRatio: 0.1 }, 4), [0.5, 1, 1, 1])
  })

  it("the paper's: 6 % of 15,900 steps are 954 of warm-up", () => {
    const paper: ScheduleConfig = { kind: 'cosine', warmupRatio: 0.06, minLrRatio: 0 }
    expect(lrFactor(paper, 0, 15_900)).toBeCloseTo(1 / 954, 12)
    expect(lrFactor(paper, 952, 15_900)).toBeCloseTo(953 / 954, 12)
    expect(lrFactor(paper, 953, 15_900)).toBe(1)
    expect(lrFactor(paper, 954 + (15_899 - 954) / 2, 15_900)).toBeCloseTo(0.5, 12)
    expect(lrFactor(paper, 15_899, 15_900)).toBeCloseTo(0, 12)
  })

  it('7 % of 100 steps are 7, though 0.07 * 100 is more in floating point', () => {
    expect(0.07 * 100).toBeGreaterThan(7)
    expect(lrFactor({ kind: 'cosine', warmupRatio: 0.07, minLrRatio: 0 }, 0, 100)).toBeCloseTo(1 / 7, 12)
  })

  it('runs of one step and of nothing but warm-up', () => {
    expect(curve({ warmupRatio: 0.06 }, 1)).toEqual([1])
    expect(curve({}, 1)).toEqual([1])
    expectClose(curve({ warmupRatio: 1 }, 4), [0.25, 0.5, 0.75, 1])
  })

  it('rises, then falls, always within (0, 1] down to the floor', () => {
    const config = fc.record({
      steps: fc.integer({ min: 1, max: 300 }),
      warmupRatio: fc.double({ min: 0, max: 1, noNaN: true }),
      minLrRatio: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(config, ({ steps, warmupRatio, minLrRatio }) => {
        const values = curve({ warmupRatio, minLrRatio }, steps)
        const top = values.indexOf(1)
        expect(top).toBeGreaterThanOrEqual(0)
        values.forEach((value, i) => {
          expect(value).toBeLessThanOrEqual(1)
          if (i > 0 && i <= top) expect(value).toBeGreaterThan(values[i - 1]!)
          if (i > top) expect(value).toBeLessThanOrEqual(values[i - 1]! + 1e-12)
          if (i > top) expect(value).toBeGreaterThanOrEqual(minLrRatio - 1e-12)
        })
      }),
    )
  })
})
