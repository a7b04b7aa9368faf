import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { planExpansion } from '../../src/expansion/plan.js'
import { existingBlocks } from '../../src/methods/existing-blocks.js'
import { parseModelConfig } from '../../src/model/config.js'
import { tinyJson } from '../support/configs.js'
import { errorOf } from '../support/errors.js'

describe('blocks of the base that are trained', () => {
  it('are the last k', () => {
    expect(existingBlocks(32, { blocks: 3, choose: 'last' })).toEqual([29, 30, 31])
  })

  it('spread, are those that expansion would copy', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (layers, blocks) => {
        fc.pre(blocks <= layers)
        const plan = planExpansion(parseModelConfig(tinyJson({ num_hidden_layers: layers })), { groups: blocks })
        const copied = plan.layers.filter(layer => layer.isNew).map(layer => layer.sourceLayer)
        expect(existingBlocks(layers, { blocks, choose: 'spread' })).toEqual(copied)
      }),
    )
  })

  it('cannot be more than there are', () => {
    const { code, message } = errorOf(() => existingBlocks(4, { blocks: 5, choose: 'last' }))
    expect(code).toBe('METHOD')
    expect(message).toContain('the base has 4 blocks')
  })
})
