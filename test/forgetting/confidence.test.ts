import { describe, expect, it } from 'vitest'
import { pairedDelta } from '../../src/forgetting/confidence.js'
import type { ProbeScores } from '../../src/forgetting/evaluator.js'
import { studentT95 } from '../../src/forgetting/student-t.js'
import { keyOf, Prng } from '../../src/util/prng.js'

function scores(perDocument: readonly (readonly number[])[]): ProbeScores {
  return {
    nats: Float64Array.from(perDocument.flat()),
    documents: Int32Array.from(perDocument.flatMap((tokens, document) => tokens.map(() => document))),
    klToBaseNats: null,
    shift: null,
    contributions: new Map(),
  }
}

describe('the change of a loss with its band', () => {
  it('by hand: documents of differences (0, 1) and (2, 3, 4), mean 2', () => {
    const before = scores([
      [5, 5],
      [1, 1, 1],
    ])
    const after = scores([
      [5, 6],
      [3, 4, 5],
    ])
    const { mean, low, high } = pairedDelta(before, after)
    // residuals of the documents: (0 - 2) + (1 - 2) = -3 and 0 + 1 + 2 = 3; half = t sqrt(2/1 * 18) / 5, t of 1 degree of freedom
    const half = (12.706205 * 6) / 5
    expect(mean).toBeCloseTo(2, 12)
    expect(high).toBeCloseTo(2 + half, 6)
    expect(low).toBeCloseTo(2 - half, 6)
  })

  it('is nothing, exactly, when nothing has changed', () => {
    const same = scores([[1.1, 2.3], [0.7]])
    expect(pairedDelta(same, same)).toEqual({ mean: 0, low: 0, high: 0 })
  })

  it('a constant shift of every token has no spread', () => {
    const before = scores([
      [1, 2],
      [3, 4],
    ])
    const after = scores([
      [1.5, 2.5],
      [3.5, 4.5],
    ])
    expect(pairedDelta(before, after)).toEqual({ mean: 0.5, low: 0.5, high: 0.5 })
  })

  it('of one document has no band, however many tokens it has', () => {
    expect(pairedDelta(scores([[1, 2, 3]]), scores([[1, 4, 3]]))).toEqual({ mean: 2 / 3, low: null, high: null })
  })

  it('refuses passes over different tokens', () => {
    expect(() => pairedDelta(scores([[1, 2]]), scores([[1]]))).toThrow(/expected 2 scored tokens as before, got 1/)
  })

  it.each([
    { documents: 5, probes: 2000, normal: 0.9 },
    { documents: 60, probes: 500, normal: 0.97 },
  ])(
    'covers the truth in about 95 of 100 simulated probes of $documents documents, which bands over tokens do not',
    ({ documents: K, probes, normal }) => {
      const truth = 0.2
      const random = new Prng(keyOf('coverage', K))
      let covered = 0
      let coveredByNormal = 0
      let coveredByTokens = 0
      for (let n = 0; n < probes; n++) {
        // each document has an effect of its own: its tokens go together; lengths do not depend on the effect
        const documents = Array.from({ length: K }, () => {
          const effect = truth + 0.3 * random.normal()
          return Array.from({ length: 20 + random.below(15) }, () => effect + 0.5 * random.normal())
        })
        const after = scores(documents)
        const before = scores(documents.map(tokens => tokens.map(() => 0)))
        const { mean, high } = pairedDelta(before, after)
        const [half, error] = [high! - mean, Math.abs(mean - truth)]
        if (error <= half) covered++
        if (error <= (half / studentT95(K - 1)) * 1.959964) coveredByNormal++
        const N = after.nats.length
        const variance = after.nats.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (N - 1)
        if (error <= 1.959964 * Math.sqrt(variance / N)) coveredByTokens++
      }
      expect(covered / probes).toBeGreaterThan(0.93)
      expect(covered / probes).toBeLessThan(0.97)
      expect(coveredByNormal / probes).toBeLessThan(normal)
      expect(coveredByTokens / probes).toBeLessThan(0.8)
    },
  )
})

describe("the quantile of Student's t", () => {
  it.each([
    [1, 12.7062],
    [2, 4.3027],
    [3, 3.1824],
    [4, 2.7764],
    [5, 2.5706],
    [10, 2.2281],
    [14, 2.1448],
    [30, 2.0423],
    [100, 1.984],
    [1e5, 1.96],
  ])('of %d degrees of freedom is that of the tables, %d', (degrees, expected) => {
    expect(studentT95(degrees)).toBeCloseTo(expected, 4)
  })
})
