import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson } from '../../src/util/canonical-json.js'
import { formatBytes, formatCount, formatDuration, formatTable } from '../../src/util/format.js'
import { didYouMean, editDistance, nearest } from '../../src/util/nearest.js'
import { keyOf, Prng, permutation } from '../../src/util/prng.js'

describe('nearest', () => {
  it('finds the mistyped name and stays silent when nothing is near', () => {
    expect(nearest('expnad', ['expand', 'verify', 'train'])).toBe('expand')
    expect(nearest('zzzz', ['expand', 'verify'])).toBeUndefined()
    expect(didYouMean('learningrate', ['learningRate', 'betas'])).toBe(' Did you mean "learningRate"?')
  })

  it('counts a transposition as one edit', () => {
    expect(editDistance('ab', 'ba')).toBe(1)
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => editDistance(a, b) === editDistance(b, a)))
  })
})

describe('prng', () => {
  it('permutes: every index once, the same for the same key, another for another', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 300 }), fc.string(), (n, seed) => {
        expect([...permutation(n, keyOf(seed))].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i))
      }),
    )
    expect(permutation(50, keyOf(1, 'a'))).toEqual(permutation(50, keyOf(1, 'a')))
    expect(permutation(50, keyOf(1, 'a'))).not.toEqual(permutation(50, keyOf(1, 'b')))
  })

  it('is a pure function of key and counter, with the right moments', () => {
    const random = new Prng(keyOf('moments'))
    const draws = Array.from({ length: 4000 }, () => random.normal())
    const mean = draws.reduce((a, b) => a + b) / draws.length
    const variance = draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length
    expect(Math.abs(mean)).toBeLessThan(0.06)
    expect(Math.abs(variance - 1)).toBeLessThan(0.08)
    const again = new Prng(keyOf('moments'))
    again.counter = 2
    expect(again.normal()).toBe(draws[1])
  })
})

describe('format', () => {
  it('groups digits, scales bytes and durations', () => {
    expect(formatCount(8357482496)).toBe('8,357,482,496')
    expect([formatBytes(999), formatBytes(1.62e9), formatBytes(999_600)]).toEqual(['999 B', '1.62 GB', '1.00 MB'])
    expect([formatDuration(0.85), formatDuration(245), formatDuration(7620)]).toEqual([
      '850 ms',
      '4 min 05 s',
      '2 h 07 min',
    ])
  })

  it('aligns numbers to the right and words to the left', () => {
    expect(
      formatTable(
        ['name', 'n'],
        [
          ['a', '1'],
          ['bcd', '22'],
        ],
      ),
    ).toBe('name   n\n----  --\na      1\nbcd   22')
  })

  it('writes objects with sorted keys', () => {
    expect(canonicalJson({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}')
  })
})
