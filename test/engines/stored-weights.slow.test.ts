/** Frozen weights in the bits of their file, or fewer: the same numbers as in f32, gradients, memory, ownership. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type QuantizedWeight, type WeightStorage } from '../../src/checkpoint/load-model.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { expandModel } from '../../src/expansion/expand-model.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { readProvenance } from '../../src/expansion/provenance.js'
import { selectTrainable } from '../../src/freeze/rules.js'
import { forward, logitsOf } from '../../src/model/forward.js'
import type { Model } from '../../src/model/model.js'
import { grad } from '../../src/tensor/autograd.js'
import type { Engine } from '../../src/tensor/engine.js'
import type { Tensor } from '../../src/tensor/graph.js'
import { fromHost } from '../../src/tensor/leaf.js'
import { mul } from '../../src/tensor/ops/elementwise.js'
import { compile, realize } from '../../src/tensor/program.js'
import { sizeOf } from '../../src/tensor/shape.js'
import { Variable } from '../../src/tensor/variable.js'
import { meanLoss, TrainStep } from '../../src/train/step.js'
import { writeHalfModel } from '../support/half-checkpoint.js'
import { temporaryDirectory } from '../support/temporary.js'
import { tinyBatch } from '../support/tiny-model.js'

const dir = temporaryDirectory('stored')
const engine = new OnnxEngine({ threads: 1 })
const exact = new ReferenceEngine()
const [T, V] = [8, 16]

beforeAll(async () => {
  await writeHalfModel(join(dir, 'BF16'), 'BF16')
  await writeHalfModel(join(dir, 'F16'), 'F16', { tie_word_embeddings: true })
})
afterAll(() => engine.dispose())

async function expanded(name: string, storage: WeightStorage, on: Engine = engine): Promise<Model> {
  const base = await loadModel(join(dir, name), on, { storage: () => storage })
  const model = await expandModel(base, planExpansion(base.config, { groups: 2 }))
  base.dispose()
  return model
}

const addedTo = ({ config, parameters }: Model) =>
  selectTrainable(parameters.keys(), ['added'], readProvenance(config)).trainable

/** Makes o_proj and down_proj of new blocks something, so that all of their weights have gradients. */
async function stir(model: Model): Promise<void> {
  for (const path of addedTo(model)) {
    const variable = model.parameter(path)
    const values = (await variable.read()) as Float32Array
    if (values.every(x => x === 0)) variable.write(values.map((_, i) => 0.1 * Math.sin(1 + i)))
  }
}

function stepOf(model: Model, rematBlocks = false): TrainStep {
  const optimizer = { betas: [0.9, 0.95] as const, eps: 1e-8, weightDecay: 0.1, clipNorm: 1 }
  return new TrainStep(model, addedTo(model), { microBatch: 2, seqLen: T, gradAccumSteps: 1, rematBlocks, optimizer })
}

async function trained(model: Model, rematBlocks: boolean) {
  const step = stepOf(model, rematBlocks)
  const results = []
  for (let n = 1; n <= 3; n++) results.push(await step.run([tinyBatch(2, T, V, n)], 0.01, n))
  const weights = await Promise.all(addedTo(model).map(path => model.parameter(path).read()))
  step.dispose()
  model.dispose()
  return { results, weights }
}

describe('frozen weights as their file stores them', () => {
  it.each([
    ['BF16', false],
    ['BF16', true],
    ['F16', false],
  ] as const)('train to the same bits as f32 ones: %s, remat %s', async (name, remat) => {
    const ours = await trained(await expanded(name, 'source'), remat)
    expect(ours).toEqual(await trained(await expanded(name, 'f32'), remat))
  })

  it('lie in the file, are given back, and outlive the name of the file', async () => {
    const before = await engine.memory()
    const path = join(dir, 'gone')
    await writeHalfModel(path, 'BF16')
    const model = await loadModel(path, engine, { storage: () => 'source' })
    const matrices = [...model.parameters.values()].filter(({ shape }) => shape.length === 2)
    const during = await engine.memory()
    if (process.platform !== 'win32')
      expect(during.mappedBytes! - before.mappedBytes!).toBe(
        matrices.reduce((n, { shape }) => n + 2 * sizeOf(shape), 0),
      )
    const first = await model.parameter('lm_head.weight').read()
    rmSync(path, { recursive: true })
    expect(await model.parameter('lm_head.weight').read()).toEqual(first)
    model.dispose()
    expect(await engine.memory()).toEqual({ ...before, programs: expect.any(Number) })
  })
})

describe('gradients through frozen weights', () => {
  it.each(['source', 'int8', 'int4'] as const)('%s: equal float64 with the same rounded weights', async storage => {
    const gradients = async (on: Engine) => {
      const model = await expanded('BF16', storage, on)
      await stir(model)
      const loss = meanLoss(model, 2, T, true)
      const paths = addedTo(model)
      const outputs: Record<string, Tensor> = { loss }
      for (const [n, g] of grad(loss, paths.map(model.weights)).entries()) outputs[paths[n]!] = g
      return compile({ outputs, engine: on }).run({ ...tinyBatch(2, T, V) })
    }
    const [ours, theirs] = [await gradients(engine), await gradients(exact)]
    for (const [name, values] of Object.entries(theirs)) {
      const size = Math.max(...values.map(Math.abs))
      expect(size, name).toBeGreaterThan(0)
      const error = Math.max(...values.map((x, i) => Math.abs(x - ours[name]![i]!))) / size
      expect(error, name).toBeLessThan(2e-5)
    }
  })

  it.each(['int8', 'int4'] as const)(
    '%s: a new model still computes what its base does, bit for bit',
    async storage => {
      const base = await loadModel(join(dir, 'F16'), engine, { storage: () => storage })
      const model = await expandModel(base, planExpansion(base.config, { groups: 4 }))
      const ids = fromHost(tinyBatch(1, T, V).inputIds, [1, T], 'i32')
      const [a, b] = await realize(
        [base, model].map(({ config, weights }) => logitsOf(config, weights, forward(config, weights, ids).hidden)),
      )
      expect(b).toEqual(a)
      base.dispose()
      model.dispose()
    },
  )
})

describe('weights in few bits', () => {
  it('are told with their errors, matrix by matrix', async () => {
    const told: QuantizedWeight[] = []
    const options = { storage: () => 'int4' as const, onQuantized: (weight: QuantizedWeight) => told.push(weight) }
    const model = await loadModel(join(dir, 'BF16'), engine, options)
    expect(told.length).toBe([...model.parameters.values()].filter(({ shape }) => shape.length === 2).length)
    const plain = await loadModel(join(dir, 'BF16'), exact)
    for (const { path, bits, relativeL2, maxAbs } of told) {
      const [q, w] = [await model.parameter(path).read(), await plain.parameter(path).read()]
      const off = w.map((x, i) => x - q[i]!) as Float32Array
      expect(bits).toBe(4)
      expect(Math.hypot(...off) / Math.hypot(...w)).toBeCloseTo(relativeL2, 5)
      expect(Math.max(...off.map(Math.abs))).toBeCloseTo(maxAbs, 5)
    }
    model.dispose()
  })

  it('are refused where rows are no whole blocks, with what to do', async () => {
    await writeHalfModel(join(dir, 'odd'), 'BF16', { intermediate_size: 48 })
    await expect(loadModel(join(dir, 'odd'), engine, { storage: () => 'int8' })).rejects.toMatchObject({
      code: 'QUANTIZE',
      message: expect.stringContaining('rows of 48 elements'),
    })
  })
})

describe('read-only weights', () => {
  it('refuse to be written, updated or trained, by name', async () => {
    const model = await loadModel(join(dir, 'BF16'), engine, { storage: () => 'int4' })
    const head = model.parameter('lm_head.weight')
    expect(() => head.write(new Uint8Array(1))).toThrow(/lm_head.weight: the weight is frozen and stored as int4/)
    expect(() => compile({ outputs: {}, updates: [[head, mul(head.value, 2)]] })).toThrow(/frozenWeights: f32/)
    model.dispose()
  })

  it('may be shared, and are freed with their last holder; others may not', async () => {
    const own = new Variable([2], 'f32', { kind: 'zeros' }, { engine })
    expect(() => own.share()).toThrow(/READ_ONLY|cannot be shared/)
    own.dispose()
    const before = await engine.memory()
    const data = Float32Array.of(3, 4)
    const first = new Variable([2], 'f32', { kind: 'host', data }, { engine, isReadOnly: true })
    const second = first.share('again')
    first.dispose()
    await expect(first.read()).rejects.toMatchObject({ code: 'DISPOSED' })
    expect([...(await second.read())]).toEqual([3, 4])
    second.dispose()
    expect((await engine.memory()).variables).toBe(before.variables)
  })
})

describe('the memory of a step with stored weights', () => {
  it.each(['source', 'int4'] as const)('%s: does not grow by an f32 copy for every frozen block', async storage => {
    const working = async (layers: number) => {
      const name = `deep-${layers}-${storage}`
      await writeHalfModel(join(dir, name), 'BF16', { num_hidden_layers: layers, intermediate_size: 512 })
      const base = await loadModel(join(dir, name), engine, { storage: () => storage })
      const model = await expandModel(base, planExpansion(base.config, { at: [1] }))
      const step = stepOf(model, true)
      const { intermediate } = engine.workingBytes(step.programs.map(({ lowered }) => lowered.spec))
      const block = [...base.parameters].filter(([path]) => path.startsWith('model.layers.0.'))
      step.dispose()
      model.dispose()
      base.dispose()
      return { intermediate, blockBytes: block.reduce((n, [, { shape }]) => n + 4 * sizeOf(shape), 0) }
    }
    const [few, many] = [await working(2), await working(10)]
    expect(many.intermediate - few.intermediate).toBeLessThan(1.5 * many.blockBytes)
  })
})
