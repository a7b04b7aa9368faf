/**
 * Which tensors of a copied block get gradient under which initialisation: the paper's reason for zeroing `o_proj` and
 * `down_proj` and not, say, the norms (LLaMA Pro, arXiv 2401.02415, section 3.2 and appendix A). Zeros are exact in any
 * arithmetic here, so every claim is one of equality.
 */
import { afterAll, describe, expect, it } from 'vitest'
import { loadModel } from '../../src/checkpoint/load-model.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { expandModel } from '../../src/expansion/expand-model.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { newLayers, readProvenance } from '../../src/expansion/provenance.js'
import { verifyIdentity } from '../../src/expansion/verify-identity.js'
import type { Model } from '../../src/model/model.js'
import { layerOf, splitLayerPath } from '../../src/model/parameters.js'
import { grad } from '../../src/tensor/autograd.js'
import type { HostArray } from '../../src/tensor/dtype.js'
import type { Engine } from '../../src/tensor/engine.js'
import { mul, sub } from '../../src/tensor/ops/elementwise.js'
import { compile } from '../../src/tensor/program.js'
import { meanLoss } from '../../src/train/step.js'
import { fixtureExpected, fixtureModel, fixtureNames, hasFixtures } from '../support/fixtures.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'

const [B, T] = [2, 7]

/** Trainable paths of the new blocks. */
function addedPaths(model: Model): string[] {
  const added = newLayers(readProvenance(model.config))
  return [...model.parameters.keys()].filter(path => added.has(layerOf(path) ?? -1))
}

/** A step of plain gradient descent on `paths`; each run returns the gradients from before the step. */
function descent(model: Model, paths: readonly string[], lr: number) {
  const loss = meanLoss(model, B, T, false)
  const gradients = grad(loss, paths.map(model.weights))
  const program = compile({
    outputs: Object.fromEntries(paths.map((path, i) => [path, gradients[i]!])),
    updates: paths.map((path, i) => [model.parameter(path), sub(model.weights(path), mul(gradients[i]!, lr))] as const),
  })
  return (seed: number) => program.run(tinyBatch(B, T, model.config.vocabSize, seed))
}

function nonZero(gradients: Record<string, HostArray>): string[] {
  return Object.keys(gradients)
    .filter(path => gradients[path]!.some(x => x !== 0))
    .sort()
}

describe.each<[string, () => Engine]>([
  ['onnx', () => new OnnxEngine({ threads: 1 })],
  ['reference', () => new ReferenceEngine()],
])('a fresh expansion on %s', (_name, start) => {
  const engine = start()
  afterAll(() => engine.dispose())

  it('has gradient at exactly the zeroed matrices in its first step, and everywhere from the second on', async () => {
    const base = tinyModel(engine)
    const model = await expandModel(base, planExpansion(base.config, { groups: 2, copies: 2 }))
    const paths = addedPaths(model)
    expect(paths).toHaveLength(4 * 9)
    const step = descent(model, paths, 0.1)
    const zeroed = readProvenance(model.config)!.layers.flatMap(block => block.zeroed)
    expect(zeroed).toHaveLength(4 * 2)
    expect(nonZero(await step(1))).toEqual([...zeroed].sort())
    expect(nonZero(await step(2))).toEqual([...paths].sort())
    expect(nonZero(await step(3))).toEqual([...paths].sort())
  })

  it('with biases: those of o_proj and down_proj are zeroed too, and learn from the first step', async () => {
    const base = tinyModel(engine, { changes: { attention_bias: true, mlp_bias: true } })
    const model = await expandModel(base, planExpansion(base.config, { groups: 1 }))
    const zeroed = readProvenance(model.config)!.layers.flatMap(block => block.zeroed)
    expect(zeroed).toHaveLength(4)
    const step = descent(model, addedPaths(model), 0.1)
    expect(nonZero(await step(1))).toEqual([...zeroed].sort())
    expect(nonZero(await step(2))).toHaveLength(16)
  })

  describe.skipIf(!hasFixtures)('of the reference models', () => {
    it.each(fixtureNames)('%s: the same tensors as in transformers', async name => {
      const base = await loadModel(fixtureModel(name), engine)
      const model = await expandModel(base, planExpansion(base.config, { groups: 2, copies: 1 }))
      const paths = addedPaths(model)
      const step = descent(model, paths, 0.01)
      expect(nonZero(await step(1))).toEqual([...fixtureExpected(name).first_step_nonzero_grads].sort())
      if (engine.name === 'onnx') expect(nonZero(await step(2))).toEqual([...paths].sort())
    })
  })
})

describe('other initialisations of the copied block', () => {
  const engine = new OnnxEngine({ threads: 1 })
  afterAll(() => engine.dispose())
  const all = [
    'input_layernorm',
    'mlp.down_proj',
    'mlp.gate_proj',
    'mlp.up_proj',
    'post_attention_layernorm',
    'self_attn.k_proj',
    'self_attn.o_proj',
    'self_attn.q_proj',
    'self_attn.v_proj',
  ]
  const feedForward = ['mlp.down_proj', 'mlp.gate_proj', 'mlp.up_proj', 'post_attention_layernorm']
  const but = (...names: string[]) => all.filter(name => !names.includes(name))

  /** The base with copies of blocks 1 and 3 above them, in which just the named tensors are zero. */
  async function copied(zeros: readonly string[]): Promise<{ base: Model; model: Model }> {
    const base = tinyModel(engine)
    const model = await expandModel(base, planExpansion(base.config, { groups: 2 }))
    for (const { index, source } of readProvenance(model.config)!.layers) {
      for (const name of all) {
        const values = await base.parameter(`model.layers.${source}.${name}.weight`).read()
        model.parameter(`model.layers.${index}.${name}.weight`).write(zeros.includes(name) ? values.fill(0) : values)
      }
    }
    return { base, model }
  }

  it.each([
    [
      'the paper: o_proj and down_proj',
      ['self_attn.o_proj', 'mlp.down_proj'],
      but('self_attn.o_proj', 'mlp.down_proj'),
      [],
    ],
    ['both norms', ['input_layernorm', 'post_attention_layernorm'], but('input_layernorm'), feedForward],
    ['v and up', ['self_attn.v_proj', 'mlp.up_proj'], but('self_attn.v_proj', 'mlp.up_proj'), []],
    ['v and gate', ['self_attn.v_proj', 'mlp.gate_proj'], but('self_attn.v_proj', 'mlp.gate_proj'), []],
    ['o, gate and up', ['self_attn.o_proj', 'mlp.gate_proj', 'mlp.up_proj'], but('self_attn.o_proj'), feedForward],
    ['everything', all, all, all],
  ])('zero %s', async (_name, zeros, withoutGradientAtFirst, withoutGradientEver) => {
    const { base, model } = await copied(zeros)
    const report = await verifyIdentity(base, model, [tinyBatch(1, 20).inputIds])
    expect(report.identical).toBe(true)
    const paths = addedPaths(model)
    const step = descent(model, paths, 0.1)
    const first = nonZero(await step(1))
    const ever = new Set(first)
    for (let seed = 2; seed <= 20; seed++) for (const path of nonZero(await step(seed))) ever.add(path)
    for (const layer of newLayers(readProvenance(model.config))) {
      const missing = (found: Iterable<string>) => {
        const here = new Set([...found].filter(path => layerOf(path) === layer))
        return all.filter(name => ![...here].some(path => splitLayerPath(path)!.name === `${name}.weight`))
      }
      expect(missing(first)).toEqual(withoutGradientAtFirst)
      expect(missing(ever)).toEqual(withoutGradientEver)
    }
  })

  it.each([
    ['only o_proj', ['self_attn.o_proj']],
    ['only down_proj', ['mlp.down_proj']],
    ['nothing', []],
  ])('zero %s: not an identity', async (_name, zeros) => {
    const { base, model } = await copied(zeros)
    const report = await verifyIdentity(base, model, [tinyBatch(1, 20).inputIds])
    expect(report.identical).toBe(false)
    expect(report.maxAbsDiff).toBeGreaterThan(1e-3)
    expect(report.nonFinite).toBe(0)
  })

  it('positions with a logit that is not finite are counted, and no difference is taken there', async () => {
    const { base, model } = await copied(['self_attn.o_proj', 'mlp.down_proj'])
    const head = model.parameter('lm_head.weight')
    const values = (await head.read()).slice() as Float32Array
    values[0] = Number.NaN
    head.write(values)
    const report = await verifyIdentity(base, model, [tinyBatch(1, 20).inputIds])
    expect(report).toEqual({ identical: false, maxAbsDiff: null, positions: 20, nonFinite: 20 })
  })

  it('stops on request', async () => {
    const { base, model } = await copied([])
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(verifyIdentity(base, model, [tinyBatch(1, 20).inputIds], { signal })).rejects.toThrow('enough')
  })
})
