/** Ten training steps of an expanded toy in PyTorch: compiled and line by line, in both precisions, with and without remat. */
import { beforeAll, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js'
import { loadModel } from '../../src/checkpoint/load-model.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { TorchEngine, type TorchEngineOptions } from '../../src/engines/torch/engine.js'
import { expandModel } from '../../src/expansion/expand-model.js'
import { newLayersOf, planExpansion } from '../../src/expansion/plan.js'
import type { Model } from '../../src/model/model.js'
import { layerOf } from '../../src/model/parameters.js'
import type { Engine } from '../../src/tensor/engine.js'
import { TrainStep } from '../../src/train/step.js'
import { describeWithPython, hasCompiler } from '../support/python.js'
import { hasShared, shared } from '../support/shared.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'

/** A checkpoint stored in bf16. */
const stored = 'fixtures/llama3-rope-bf16/model'

interface Ten {
  losses: number[]
  weights: Float32Array
}

/** Two blocks: g++ takes a minute for every block that torch.compile unrolls. */
const changes = { num_hidden_layers: 2, hidden_size: 32, intermediate_size: 48, num_key_value_heads: 1, vocab_size: 64 }

/** Ten steps of every other block, with their trained weights; disposes the engine. */
async function tenSteps(engine: Engine, options: { remat?: boolean; accumulate?: number } = {}): Promise<Ten> {
  const model = tinyModel(engine, { changes, range: 0.1 })
  const trainable = [...model.parameters.keys()].filter(path => (layerOf(path) ?? 0) % 2 === 1)
  return trainTen(model, trainable, options)
}

async function trainTen(
  model: Model,
  trainable: readonly string[],
  { remat = false, accumulate = 1 }: { remat?: boolean; accumulate?: number } = {},
): Promise<Ten> {
  const step = new TrainStep(model, trainable, {
    microBatch: 2,
    seqLen: 16,
    gradAccumSteps: accumulate,
    optimizer: { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 },
    rematBlocks: remat,
  })
  const losses: number[] = []
  for (let n = 1; n <= 10; n++) {
    const batches = Array.from({ length: accumulate }, (_, i) => tinyBatch(2, 16, 64, 100 * i + n))
    losses.push((await step.run(batches, 3e-3, n)).lossNats)
  }
  const weights = (await model.parameter(trainable.at(-1)!).read()) as Float32Array
  await model.engine.dispose()
  return { losses, weights }
}

const torch = (options: TorchEngineOptions) => new TorchEngine({ threads: 1, ...options })

function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((worst, x, i) => Math.max(worst, Math.abs(x - b[i]!)), 0)
}

describeWithPython('ten training steps in PyTorch', () => {
  let onnx: Ten
  beforeAll(async () => {
    onnx = await tenSteps(new OnnxEngine())
  })

  it('are those of onnxruntime, line by line, and the same bits when done again', async () => {
    const ours = await tenSteps(torch({ compile: 'never' }))
    expect(distance(ours.losses, onnx.losses)).toBeLessThan(2e-5)
    expect(distance(ours.weights, onnx.weights)).toBeLessThan(2e-4)
    expect(await tenSteps(torch({ compile: 'never' }))).toEqual(ours)
  })

  it('are those of onnxruntime with gradients gathered over micro-batches', async () => {
    const ours = await tenSteps(torch({ compile: 'never' }), { accumulate: 2 })
    const theirs = await tenSteps(new OnnxEngine(), { accumulate: 2 })
    expect(distance(ours.losses, theirs.losses)).toBeLessThan(2e-5)
  })

  it('are within 1e-2 of them in bf16, and differ', async () => {
    const { losses } = await tenSteps(torch({ compile: 'never', precision: 'bf16' }))
    const error = distance(losses, onnx.losses)
    expect(error).toBeLessThan(1e-2)
    expect(error).toBeGreaterThan(1e-6)
  })

  it.skipIf(!hasShared(stored))('keep frozen matrices as they are stored, in bf16, under masters in f32', async () => {
    const expandedOn = async (engine: Engine) => {
      const { config } = await openCheckpoint(shared(stored))
      const plan = planExpansion(config, { groups: 2, copies: 1 })
      const added = new Set(newLayersOf(plan))
      const storage = () => (engine.precision === 'bf16' ? 'source' : 'f32')
      const base = await loadModel(shared(stored), engine, { storage })
      const model = await expandModel(base, plan)
      return { model, trainable: [...model.parameters.keys()].filter(path => added.has(layerOf(path) ?? -1)) }
    }
    const exact = await expandedOn(new OnnxEngine())
    const low = await expandedOn(torch({ compile: 'never', precision: 'bf16' }))
    expect(low.model.parameter('model.layers.0.mlp.up_proj.weight').dtype).toBe('bf16')
    expect(low.model.parameter('model.layers.0.input_layernorm.weight').dtype).toBe('f32')
    expect(low.trainable.map(path => low.model.parameter(path).dtype)).toEqual(low.trainable.map(() => 'f32'))
    const theirs = await trainTen(exact.model, exact.trainable)
    const ours = await trainTen(low.model, low.trainable)
    // this case amplifies roundings (its float32 runs are 4e-4 apart, see test/parity), and processors round bf16 products differently:
    // 1.04e-2 with AMX
    expect(distance(ours.losses, theirs.losses)).toBeLessThan(2e-2)
  })

  it.skipIf(!hasCompiler)(
    'are the same through torch.compile, the same bits when done again',
    async () => {
      const ours = await tenSteps(torch({ compile: 'always' }))
      expect(distance(ours.losses, onnx.losses)).toBeLessThan(2e-5)
      expect(distance(ours.weights, onnx.weights)).toBeLessThan(2e-4)
      expect(await tenSteps(torch({ compile: 'always' }))).toEqual(ours)
    },
    900_000,
  )

  it.skipIf(!hasCompiler)(
    'are within 1e-2 through torch.compile in bf16 with recomputed blocks',
    async () => {
      const { losses } = await tenSteps(torch({ compile: 'always', precision: 'bf16' }), { remat: true })
      expect(distance(losses, onnx.losses)).toBeLessThan(1e-2)
    },
    900_000,
  )
})
