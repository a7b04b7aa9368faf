import { expect, it } from 'vitest'
import { curvesOf } from '../../repl/ui/run-curves.js'
import type { MetricRecord } from '../../src/index.js'

const record = (step: number, lossNats: number) => ({ kind: 'train', step, lossNats }) as MetricRecord

it('a curve has every point of a short run, and the means of a long one', () => {
  const short = [record(1, 3), record(2, 2), record(4, 1)]
  expect(curvesOf(short, 40).loss.points).toEqual([
    { x: 1, y: 3 },
    { x: 2, y: 2 },
    { x: 4, y: 1 },
  ])
  const long = Array.from({ length: 4000 }, (_, step) => record(step, step % 2))
  const { points } = curvesOf(long, 4000).loss
  expect(points).toHaveLength(200)
  for (const [part, { x, y }] of points.entries()) {
    expect(x).toBeCloseTo(20 * part + 9.5)
    expect(y).toBeCloseTo(0.5)
  }
})
