/** What the torch engine hands to a card, without one: the same programs on tensors that have a device and no memory. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TorchEngine } from '../../src/engines/torch/engine.js'
import { fuseCrossEntropy } from '../../src/engines/torch/fuse.js'
import { forward, logitsOf } from '../../src/model/forward.js'
import { generate } from '../../src/model/generate.js'
import { fromHost } from '../../src/tensor/leaf.js'
import type { ProgramSpec } from '../../src/tensor/lower.js'
import { realize } from '../../src/tensor/program.js'
import { spelledJson } from '../../src/tensor/spelled.js'
import { TrainStep } from '../../src/train/step.js'
import { describeWithPython, runPython } from '../support/python.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'
import { tensorsOf } from './conformance.js'
import { opCases } from './op-cases.js'

/** Keeps the programs that it is asked to run. */
class Recording extends TorchEngine {
  readonly specs: ProgramSpec[] = []

  override load(spec: ProgramSpec, key: string): Promise<number> {
    this.specs.push(fuseCrossEntropy(spec))
    return super.load(spec, key)
  }
}

const engineFolder = fileURLToPath(new URL('../../src/engines/torch', import.meta.url))

describeWithPython('programs of the torch engine on a device that is not there', () => {
  const engine = new Recording({ compile: 'never' })
  afterAll(() => engine.dispose())

  beforeAll(async () => {
    await realize(opCases.flatMap(tensorsOf), { engine })
    for (const window of [null, 4]) {
      const changes = {
        num_hidden_layers: 2,
        hidden_size: 32,
        intermediate_size: 48,
        num_key_value_heads: 1,
        vocab_size: 64,
      }
      const mistral = {
        ...changes,
        model_type: 'mistral',
        architectures: ['MistralForCausalLM'],
        sliding_window: window,
      }
      const model = tinyModel(engine, { changes: window === null ? changes : mistral })
      for (const rematBlocks of [false, true]) {
        const step = new TrainStep(model, [...model.parameters.keys()], {
          microBatch: 2,
          seqLen: 16,
          gradAccumSteps: 2,
          optimizer: { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 },
          rematBlocks,
        })
        await step.run([tinyBatch(2, 16, 64, 1), tinyBatch(2, 16, 64, 2)], 1e-3, 1)
        step.dispose()
      }
      for await (const _ of generate(model, Int32Array.of(1, 2, 3), { maxNewTokens: 2, stopIds: [] }));
      const ids = fromHost(
        Int32Array.from({ length: 8 }, (_, i) => i),
        [1, 8],
        'i32',
      )
      await realize([logitsOf(model.config, model.weights, forward(model.config, model.weights, ids).hidden)])
      model.dispose()
    }
  })

  it('stay there, in both precisions, with each kernel of attention', async () => {
    const devices = [
      { device: 'cuda', half: true, fused: ['flash', 'efficient'], kernels: ['flash', 'math'] },
      { device: 'cuda', half: true, fused: ['efficient'], kernels: ['efficient', 'math'] },
      { device: 'cuda', half: false, fused: ['efficient'], kernels: ['efficient', 'math'] },
      { device: 'cuda', half: false, fused: [], kernels: ['math'] },
    ]
    const request = {
      engine: engineFolder,
      specs: JSON.parse(spelledJson(engine.specs)) as unknown,
      devices: devices.map(({ device, half, fused }) => ({ device, half, fused })),
    }
    const found = await runPython<{ faults: string[]; kernels: string[] }[]>('fake_device.py', request)
    expect(found).toEqual(devices.map(({ kernels }) => ({ faults: [], kernels })))
  })
})
