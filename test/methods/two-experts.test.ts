import { afterAll, describe, expect, it } from 'vitest'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { addExperts } from '../../src/methods/two-experts.js'
import { mul } from '../../src/tensor/ops/elementwise.js'
import { tinyModel } from '../support/tiny-model.js'
import { disturb, gradientError, largestDifference, logitsFor, mergedModel } from './support.js'

const engine = new OnnxEngine({ threads: 1 })
afterAll(() => engine.dispose())

describe('the two-expert baseline', () => {
  it('starts as a base whose down_proj counts e / (e + 1) times', async () => {
    const base = tinyModel(engine)
    const kept = Math.E / (Math.E + 1)
    const scaled = (path: string) =>
      path.endsWith('down_proj.weight') ? mul(base.weights(path), kept) : base.weights(path)
    const [expected, plain] = [await logitsFor(base, { weights: scaled }), await logitsFor(base)]
    const actual = await logitsFor(addExperts(base))
    expect(largestDifference(actual, expected)).toBeLessThan(1e-5)
    expect(largestDifference(actual, plain)).toBeGreaterThan(0.01)
  })

  it('adds V and two scalars to every block', () => {
    const { shapes } = addExperts(tinyModel(engine)).weights.adapter!
    expect(shapes.size).toBe(8)
    expect(shapes.get('model.layers.2.mlp.down_proj.moe_weight')).toEqual([8, 12])
    expect(shapes.get('model.layers.2.mlp.down_proj.moe_alphas')).toEqual([2])
  })

  it('folds into plain weights that compute the same, biases too', async () => {
    for (const changes of [{}, { mlp_bias: true }]) {
      const model = addExperts(tinyModel(engine, { changes }))
      disturb(model)
      const merged = await mergedModel(model)
      expect(largestDifference(await logitsFor(model), await logitsFor(merged))).toBeLessThan(2e-5)
    }
  })

  it('has the gradients of central differences in float64', async () => {
    const model = addExperts(tinyModel(new ReferenceEngine()))
    disturb(model)
    for (const path of model.weights.adapter!.shapes.keys())
      expect(await gradientError(model, path), path).toBeLessThan(1e-5)
  })

  it('off, is the base exactly', async () => {
    const base = tinyModel(engine)
    const before = await logitsFor(base)
    const model = addExperts(base)
    disturb(model)
    expect(await logitsFor(model, { weights: path => model.weights(path) })).toEqual(before)
  })
})
