import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  checkPlan,
  type ExpansionPlan,
  groupSizes,
  newLayersOf,
  placementOf,
  planExpansion,
  planText,
} from '../../src/expansion/plan.js'
import { fixtureExpected, fixtureNames, hasFixtures } from '../support/fixtures.js'

const plan = (numHiddenLayers: number, options: Parameters<typeof planExpansion>[1]) =>
  planExpansion({ numHiddenLayers }, options)
const sources = ({ layers }: ExpansionPlan) =>
  layers.map(b => (b.isNew ? `(${b.sourceLayer})` : `${b.sourceLayer}`)).join(' ')

describe('interleaved', () => {
  it('is the paper: 32 blocks in 8 groups become 40, new at 4, 9, ..., 39', () => {
    const paper = plan(32, { groups: 8 })
    expect(newLayersOf(paper)).toEqual([4, 9, 14, 19, 24, 29, 34, 39])
    expect(paper.layers.filter(b => b.isNew).map(b => b.sourceLayer)).toEqual([3, 7, 11, 15, 19, 23, 27, 31])
    expect(paper.notes).toEqual([])
  })

  it('stacks the top P blocks of a group on it in their order', () => {
    expect(sources(plan(4, { groups: 2, copies: 2 }))).toBe('0 1 (0) (1) 2 3 (2) (3)')
    expect(sources(plan(6, { groups: 2, copies: 2 }))).toBe('0 1 2 (1) (2) 3 4 5 (4) (5)')
  })

  it.skipIf(!hasFixtures)('puts blocks where the reference expansion has them', () => {
    for (const name of fixtureNames) {
      const keys = Object.entries(fixtureExpected(name)).filter(([key]) => key.endsWith('_new_layers'))
      expect(keys).toHaveLength(3)
      for (const [key, layers] of keys) {
        const [, groups, copies] = /expand_(\d+)x(\d+)/.exec(key)!.map(Number)
        expect(newLayersOf(plan(4, { groups, copies }))).toEqual(layers)
      }
    }
  })

  it('balances groups when the counts do not divide, and says so', () => {
    const uneven = plan(30, { groups: 4 })
    expect(groupSizes(30, 4)).toEqual([7, 8, 7, 8])
    expect(newLayersOf(uneven)).toEqual([7, 16, 24, 33])
    expect(uneven.notes.join()).toContain('7, 8, 7, 8')
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 200 }), (total, n) => {
        const sizes = groupSizes(total, Math.min(n, total))
        expect(sizes.reduce((a, b) => a + b)).toBe(total)
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1)
      }),
    )
  })
})

describe('other placements', () => {
  it('stack all copies below or above', () => {
    expect(sources(plan(4, { groups: 2, placement: 'prefix' }))).toBe('(0) (1) 0 1 2 3')
    expect(sources(plan(4, { groups: 1, copies: 3, placement: 'suffix' }))).toBe('0 1 2 3 (1) (2) (3)')
  })

  it('put single blocks at given positions, each a copy of the nearest old block below', () => {
    expect(sources(plan(4, { at: [2, 5] }))).toBe('0 1 (1) 2 3 (3)')
    expect(sources(plan(4, { at: [5, 0, 1] }))).toBe('(0) (0) 0 1 2 (2) 3')
    expect(plan(4, { at: [0] })).toMatchObject({ groups: null, copies: null, placement: 'at' })
  })
})

describe('every plan', () => {
  const anyPlan = fc.integer({ min: 1, max: 24 }).chain(total =>
    fc.oneof(
      fc.record({ groups: fc.integer({ min: 1, max: total }) }).map(o => plan(total, o)),
      fc
        .record({
          groups: fc.integer({ min: 1, max: total }),
          placement: fc.constantFrom('prefix' as const, 'suffix' as const),
        })
        .map(o => plan(total, o)),
      fc
        .integer({ min: 1, max: 6 })
        .chain(n => fc.uniqueArray(fc.integer({ min: 0, max: total + n - 1 }), { minLength: n, maxLength: n }))
        .map(at => plan(total, { at })),
    ),
  )
  it('keeps the old blocks once and in order, counts up, and survives JSON', () => {
    fc.assert(
      fc.property(anyPlan, p => {
        checkPlan(p, p.baseNumHiddenLayers)
        expect(p.numHiddenLayers).toBe(p.baseNumHiddenLayers + newLayersOf(p).length)
        expect(placementOf(p)).toBe(p.placement)
        const back = JSON.parse(JSON.stringify(p)) as ExpansionPlan
        expect(back).toEqual(p)
      }),
    )
  })

  it('may be edited, is then custom, and is checked again', () => {
    const edited = structuredClone(plan(4, { groups: 2 }))
    edited.layers[2]!.sourceLayer = 0
    checkPlan(edited, 4)
    expect(placementOf(edited)).toBe('custom')
    expect(planText(edited)).toBe('4 -> 6 blocks, custom, 2 groups x 1; new: 2, 5\n0 1 (0) 2 3 (3)')
    const broken = (change: (p: ExpansionPlan) => void) => {
      const p = structuredClone(plan(4, { groups: 2 }))
      change(p)
      return () => checkPlan(p, 4)
    }
    expect(broken(p => (p.layers[2]!.sourceLayer = 4))).toThrow(/source block 4/)
    expect(broken(p => (p.layers[2]!.isNew = false))).toThrow(/0, 1, 1, 2, 3/)
    expect(broken(p => (p.layers[2]!.layer = 3))).toThrow(/count up/)
    expect(broken(p => p.layers.pop())).toThrow(/says 6 blocks and lists 5/)
    expect(() => checkPlan(plan(4, { groups: 2 }), 8)).toThrow(/4 blocks, but this one has 8/)
  })
})

describe('impossible plans are refused with the reason', () => {
  it.each<[Parameters<typeof planExpansion>[1], RegExp]>([
    [{}, /"groups".*"at"/],
    [{ groups: 5 }, /5 groups cannot be made of 4 blocks/],
    [{ groups: 0 }, /positive integer, got 0/],
    [{ groups: 1.5 }, /positive integer/],
    [{ groups: 2, copies: 3 }, /groups of 2 blocks/],
    [{ groups: 3, copies: 2 }, /groups of 1 blocks/],
    [{ groups: 4, copies: 2, placement: 'prefix' }, /4 x 2 copies/],
    [{ groups: 2, placement: 'sufix' as 'suffix' }, /Did you mean "suffix"/],
    [{ group: 2 } as object, /Did you mean "groups"/],
    [{ at: [] }, /at least one/],
    [{ at: [1, 1] }, /twice/],
    [{ at: [-1] }, /positions 0 to 4/],
    [{ at: [5] }, /positions 0 to 4/],
    [{ at: [0.5] }, /0\.5/],
    [{ at: [1], groups: 2 }, /not both/],
  ])('%j', (options, message) => {
    expect(() => plan(4, options)).toThrow(message)
    expect(() => plan(4, options)).toThrow(expect.objectContaining({ code: 'EXPANSION_PLAN' }))
  })
})
