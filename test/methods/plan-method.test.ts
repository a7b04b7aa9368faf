import { afterAll, describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { expandModel } from '../../src/expansion/expand-model.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { planMethod } from '../../src/methods/plan-method.js'
import type { Model } from '../../src/model/model.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { tinyModel } from '../support/tiny-model.js'

const engine = new ReferenceEngine()
afterAll(() => engine.dispose())

/** What `llama-pro expand` leaves: blocks 2 and 5 are new. */
async function expandedBefore(): Promise<Model> {
  const base = tinyModel(engine)
  return expandModel(base, planExpansion(base.config, { groups: 2 }))
}

function train(base: Model, changes: Record<string, unknown>) {
  const common = { model: 'base', data: { sources: [{ manifest: 'x' }], seqLen: 8 }, steps: 1, seed: 1 }
  return planMethod(parseRecipe({ ...common, ...changes }), base.config).apply(base)
}

const queries = { method: 'full', train: ['**.q_proj.weight'] }

describe('a model that was expanded before', () => {
  it('is refused where its new blocks, still zero, can never learn', async () => {
    await expect(train(await expandedBefore(), queries)).rejects.toMatchObject({
      code: 'FREEZE_DEAD',
      message: expect.stringContaining('new blocks 2, 5 can never learn'),
    })
  })

  it('is trained by the same rules once its blocks have learned', async () => {
    const model = await expandedBefore()
    for (const layer of [2, 5]) {
      const projection = model.parameter(`model.layers.${layer}.self_attn.o_proj.weight`)
      projection.write((await projection.read()).fill(0.1) as Float32Array)
    }
    const { warnings } = await train(model, queries)
    expect(warnings).toEqual([expect.stringMatching(/blocks 2, 5: mlp\.down_proj\.weight is zero and frozen/)])
  })

  it('gets a warning for new blocks that are left as they are, none when everything is trained', async () => {
    expect((await train(await expandedBefore(), { method: 'existing', existing: { blocks: 1 } })).warnings).toEqual([
      expect.stringMatching(/new block 2: nothing is trained/),
    ])
    expect((await train(await expandedBefore(), { method: 'full' })).warnings).toEqual([])
  })
})

it('a base without new blocks is trained by any rules', async () => {
  expect((await train(tinyModel(engine), queries)).warnings).toEqual([])
})
