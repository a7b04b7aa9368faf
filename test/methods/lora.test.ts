import { afterAll, describe, expect, it } from 'vitest'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { expandModel } from '../../src/expansion/expand-model.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { addLora, checkLora } from '../../src/methods/lora.js'
import { linearNames } from '../../src/model/parameters.js'
import { grad } from '../../src/tensor/autograd.js'
import { realize } from '../../src/tensor/program.js'
import { tinyModel } from '../support/tiny-model.js'
import { disturb, gradientError, largestDifference, logitsFor, lossOf, mergedModel } from './support.js'

const all = { rank: 3, alpha: 12, targets: linearNames }
const engine = new OnnxEngine({ threads: 1 })
afterAll(() => engine.dispose())
const qwen = { model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'] }

describe('LoRA', () => {
  it('starts as its base, bit for bit, on both engines and with biases', async () => {
    for (const on of [engine, new ReferenceEngine()]) {
      for (const changes of [{}, qwen]) {
        const base = tinyModel(on, { changes })
        const before = await logitsFor(base)
        expect(await logitsFor(addLora(base, all, { seed: 1 }))).toEqual(before)
      }
    }
  })

  it('computes x W^T + b + (alpha / r) (x A^T) B^T: merged into W it gives the same logits within rounding', async () => {
    for (const changes of [{}, qwen]) {
      const model = addLora(tinyModel(engine, { changes }), all, { seed: 1 })
      const start = await logitsFor(model)
      disturb(model)
      const [adapted, merged] = [await logitsFor(model), await logitsFor(await mergedModel(model))]
      expect(largestDifference(adapted, start)).toBeGreaterThan(0.1)
      expect(largestDifference(adapted, merged)).toBeLessThan(2e-5)
    }
  })

  it('off, is the base, exactly and however far it was trained', async () => {
    const base = tinyModel(engine)
    const before = await logitsFor(base)
    const model = addLora(base, all, { seed: 1 })
    disturb(model)
    expect(await logitsFor(model, { weights: path => model.weights(path) })).toEqual(before)
  })

  it('adapts the targets and nothing else', async () => {
    const model = addLora(tinyModel(engine), { ...all, targets: ['q_proj', 'down_proj'] }, { seed: 1 })
    expect(model.weights.adapter!.shapes.size).toBe(4 * 2 * 2)
    expect(model.parameter('model.layers.3.mlp.down_proj.lora_A.weight').shape).toEqual([3, 12])
    expect(model.parameter('model.layers.3.mlp.down_proj.lora_B.weight').shape).toEqual([8, 3])
    disturb(model)
    const merged = await mergedModel(model)
    const isEqual = async (path: string) =>
      largestDifference(await merged.parameter(path).read(), await model.parameter(path).read()) === 0
    expect(await isEqual('model.layers.1.self_attn.k_proj.weight')).toBe(true)
    expect(await isEqual('model.layers.1.self_attn.q_proj.weight')).toBe(false)
  })

  it('has the gradients of central differences in float64', async () => {
    const model = addLora(tinyModel(new ReferenceEngine()), all, { seed: 1 })
    disturb(model)
    for (const path of [...model.weights.adapter!.shapes.keys()].filter(p => p.includes('layers.1.')))
      expect(await gradientError(model, path), path).toBeLessThan(1e-5)
  })

  it('at its start has a gradient in every B and in no A', async () => {
    const model = addLora(tinyModel(engine), all, { seed: 1 })
    const paths = [...model.weights.adapter!.shapes.keys()]
    const gradients = await realize(grad(lossOf(model), paths.map(model.weights)), { engine })
    paths.forEach((path, i) => {
      expect(
        gradients[i]!.some(value => value !== 0),
        path,
      ).toBe(path.includes('lora_B'))
    })
  })

  it('is a function of the seed', async () => {
    const first = (seed: number) =>
      addLora(tinyModel(engine), all, { seed }).parameter('model.layers.0.mlp.up_proj.lora_A.weight').read()
    expect(await first(1)).toEqual(await first(1))
    expect(await first(1)).not.toEqual(await first(2))
  })
})

describe('LoRA on an expanded model', () => {
  const expanded = () => {
    const base = tinyModel(engine)
    return expandModel(base, planExpansion(base.config, { groups: 2 }))
  }

  it('is refused when it would leave new blocks dead, and says what to add', async () => {
    const refused = checkLora(await expanded(), { ...all, targets: ['q_proj', 'v_proj', 'up_proj'] })
    await expect(refused).rejects.toMatchObject({
      code: 'FREEZE_DEAD',
      message: expect.stringMatching(/q_proj, v_proj, up_proj.*Add o_proj and down_proj to lora\.targets/),
    })
  })

  it('those blocks would indeed get no gradient', async () => {
    const model = addLora(await expanded(), { ...all, targets: ['q_proj', 'v_proj', 'up_proj'] }, { seed: 1 })
    disturb(model)
    const paths = [...model.weights.adapter!.shapes.keys()]
    const gradients = await realize(grad(lossOf(model), paths.map(model.weights)), { engine })
    paths.forEach((path, i) => {
      const isNew = /layers\.[25]\./.test(path)
      expect(
        gradients[i]!.every(value => value === 0),
        path,
      ).toBe(isNew)
    })
  })

  it('warns of a half that stays zero, and accepts both projections in silence', async () => {
    const half = await checkLora(await expanded(), { ...all, targets: ['q_proj', 'down_proj'] })
    expect(half).toEqual([expect.stringMatching(/new block 2, 5: .*attention half.*add o_proj/)])
    expect(await checkLora(await expanded(), all)).toEqual([])
  })

  it('is not refused when the new blocks have learned already', async () => {
    const model = await expanded()
    for (const layer of [2, 5])
      for (const name of ['self_attn.o_proj', 'mlp.down_proj']) {
        const variable = model.parameter(`model.layers.${layer}.${name}.weight`)
        variable.write((await variable.read()).fill(0.1) as Float32Array)
      }
    expect(await checkLora(model, { ...all, targets: ['q_proj'] })).toEqual([])
  })

  it('says where a rank is wider than a matrix', async () => {
    const warnings = await checkLora(tinyModel(engine), { ...all, rank: 6 })
    expect(warnings).toEqual([expect.stringContaining('smaller side of k_proj, v_proj')])
  })
})
