/** The webgpu engine on SwiftShader, a GPU in software. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { softwareFault } from '../../src/engines/webgpu/software.js'
import { webGpuEngine } from '../../src/engines/webgpu/start.js'
import { createEngine } from '../../src/lab/engines.js'
import type { RunEvents } from '../../src/lab/run-events.js'
import { runRecipe } from '../../src/lab/run-recipe.js'
import type { DType } from '../../src/tensor/dtype.js'
import type { Engine } from '../../src/tensor/engine.js'
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../src/tensor/half.js'
import { fromHost, input } from '../../src/tensor/leaf.js'
import { cast, cos, mul, sin } from '../../src/tensor/ops/elementwise.js'
import { expand } from '../../src/tensor/ops/movement.js'
import { sum } from '../../src/tensor/ops/reduce.js'
import { compile, realize } from '../../src/tensor/program.js'
import { Variable } from '../../src/tensor/variable.js'
import { readMetrics } from '../../src/train/metrics.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { TrainStep } from '../../src/train/step.js'
import { Emitter } from '../../src/util/emitter.js'
import { kernelsOf } from '../support/ort-profile.js'
import { temporaryDirectory } from '../support/temporary.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'
import { writeTinyRun } from '../support/tiny-run.js'
import { conformance } from './conformance.js'

const fault = softwareFault('webgpu:swiftshader')
if (fault !== null) console.log(`Skipped: the engine webgpu. ${fault}`)

const start = (options = {}) => webGpuEngine('webgpu:swiftshader', options)

function stepOf(engine: Engine, rematBlocks = false): TrainStep {
  const model = tinyModel(engine, { changes: { num_hidden_layers: 3, tie_word_embeddings: true } })
  return new TrainStep(model, [...model.parameters.keys()], {
    microBatch: 2,
    seqLen: 8,
    gradAccumSteps: 2,
    rematBlocks,
    optimizer: { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 },
  })
}

async function losses(engine: Engine, steps: number): Promise<number[]> {
  const step = stepOf(engine)
  const found: number[] = []
  for (let i = 0; i < steps; i++) {
    const batches = [tinyBatch(2, 8, 16, 2 * i), tinyBatch(2, 8, 16, 2 * i + 1)]
    const { lossNats, gradNorm } = await step.run(batches, 0.01, i + 1)
    found.push(lossNats, gradNorm)
  }
  step.dispose()
  return found
}

describe.skipIf(fault !== null)('webgpu', () => {
  conformance('webgpu:swiftshader', start, { afterFailedUpdate: 'unchanged' })

  it('trains as float64 does: five steps of all weights, with accumulation', async () => {
    const engine = start()
    const [ours, theirs] = [await losses(engine, 5), await losses(new ReferenceEngine(), 5)]
    await engine.dispose()
    const worst = Math.max(...ours.map((x, i) => Math.abs(x - theirs[i]!)))
    console.log(`webgpu: worst difference of losses and gradient norms ${worst.toExponential(1)}`)
    expect(worst).toBeLessThan(2e-4)
  })

  it('runs every node of a training step on the device', async () => {
    const dir = temporaryDirectory('webgpu-profile')
    const engine = start({ profilePrefix: join(dir, 'p') })
    const step = stepOf(engine, true)
    await step.run([tinyBatch(2, 8), tinyBatch(2, 8)], 0.01, 1)
    step.dispose()
    await engine.dispose()
    const ran = kernelsOf(dir)
    expect(ran.length).toBeGreaterThan(1000)
    expect([...new Set(ran.map(({ provider }) => provider))]).toEqual(['WebGpuExecutionProvider'])
    expect(ran.filter(({ op }) => op.startsWith('Memcpy'))).toEqual([])
  })

  it('runs a recipe from its base to the trained model, with the losses of the CPU, and names the adapter', async () => {
    const dir = temporaryDirectory('webgpu-run')
    const recipe = parseRecipe(await writeTinyRun(join(dir, 'data'), { steps: 3 }))
    const events = new Emitter<RunEvents>()
    const engines: string[] = []
    events.on('engine', ({ description }) => engines.push(description))
    const lossesOn = async (device: string) => {
      await runRecipe({ recipe, out: join(dir, device.replace(':', '-')), device, events })
      const records = readMetrics(join(dir, device.replace(':', '-'), 'metrics.jsonl'))
      return records.flatMap(record => (record.kind === 'train' ? [record.lossNats] : []))
    }
    const [ours, theirs] = [await lossesOn('webgpu:swiftshader'), await lossesOn('cpu')]
    expect(engines[0]).toMatch(/on webgpu: SwiftShader .*software/)
    expect(ours).toHaveLength(3)
    expect(Math.max(...ours.map((x, i) => Math.abs(x - theirs[i]!)))).toBeLessThan(1e-4)
  })

  it('skips a step whose gradients are not finite: weights and moments stay, bit for bit', async () => {
    const engine = start()
    const model = tinyModel(engine)
    const head = model.parameter('lm_head.weight')
    head.write((await head.read()).map(x => 32 * x))
    const step = new TrainStep(model, ['model.layers.1.mlp.down_proj.weight', 'model.norm.weight'], {
      microBatch: 2,
      seqLen: 8,
      gradAccumSteps: 2,
      rematBlocks: false,
      optimizer: { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 },
      lossScaling: { initial: 2 ** 127, growthSteps: 2000, max: 2 ** 24 },
    })
    const variables = [model.parameter('model.norm.weight'), ...step.state.values()]
    const state = () => Promise.all(variables.map(async variable => [...(await variable.read())]))
    const before = await state()
    const batches = [tinyBatch(2, 8, 16, 1), tinyBatch(2, 8, 16, 2)]
    expect(await step.run(batches, 0.01, 1)).toMatchObject({ isSkipped: true })
    expect(await state()).toEqual(before)
    step.restoreLossScale({ scale: 1024, goodSteps: 0, skippedSteps: 1 })
    const next = await step.run(batches, 0.01, 2)
    expect(next).toMatchObject({ isSkipped: false, lossScale: 1024 })
    expect((await state()).flat().every(Number.isFinite)).toBe(true)
    expect(await state()).not.toEqual(before)
    step.dispose()
    await engine.dispose()
  })

  it('has no f16, which is said by name, and takes no other arithmetic in its place', async () => {
    expect(() => createEngine('webgpu:swiftshader', { precision: 'f16' })).toThrow(
      /f16 is not supported on webgpu:swiftshader: SwiftShader .* shader-f16; set precision: f32/,
    )
    await start().dispose()
  })

  describe('an engine', () => {
    let engine: Engine
    beforeAll(() => {
      engine = start()
    })
    afterAll(() => engine.dispose())

    it('is one at a time in a process, and says on which adapter', async () => {
      expect(() => createEngine('webgpu:swiftshader')).toThrow(/already has an engine on/)
      expect(() => createEngine('webgpu')).toThrow(/dispose it first/)
      await engine.memory()
      expect(engine.description).toMatch(
        /^onnxruntime 1\.\d+\.\d+ on webgpu: SwiftShader .*software, .*Vulkan 1\.\d.*; [\d.]+ GB, tensors up to .*; without shader-f16\), f32$/,
      )
    })

    it('computes sin and cos of large angles as well as of small ones', async () => {
      const angles = Float32Array.from({ length: 4096 }, (_, i) => (i - 2048) * 5.77)
      const x = fromHost(angles, [4096], 'f32')
      const [s, c] = await realize([sin(x), cos(x)], { engine })
      expect(Math.max(...angles.map((a, i) => Math.abs(s![i]! - Math.sin(a))))).toBeLessThan(4e-7)
      expect(Math.max(...angles.map((a, i) => Math.abs(c![i]! - Math.cos(a))))).toBeLessThan(4e-7)
    })

    it.each([
      ['f16', f32ToF16, f16ToF32, [65504, 65519.9, 65520, 1e30, 2 ** -14, 2 ** -24, 2 ** -25, 3 * 2 ** -25, 2 ** -26]],
      ['bf16', f32ToBf16, bf16ToF32, [3.38e38, 3.4e38, 2 ** -126, 1 + 2 ** -8, 1 + 3 * 2 ** -8]],
    ] as const)('rounds to %s bit for bit: ties, powers of two, edges', async (dtype, narrow, widen, edges) => {
      const ties = Array.from({ length: 2048 }, (_, i) => (1 + i / 4096) * 2 ** ((i % 27) - 13))
      const beside = Array.from({ length: 60 }, (_, i) =>
        [0.9999999, 1, 1.0000001].map(x => x * 2 ** (i / 2 - 14)),
      ).flat()
      const some = [...ties, ...beside, ...edges, 0, Number.POSITIVE_INFINITY]
      const values = Float32Array.from([...some, ...some.map(x => -x)])
      const x = fromHost(values, [values.length], 'f32')
      const [found] = await realize([cast(cast(x, dtype as DType), 'f32')], { engine })
      const wrong = [...values].filter(
        (v, i) => found![i] !== widen(narrow(v)) && !(found![i] === 0 && widen(narrow(v)) === 0),
      )
      expect(wrong).toEqual([])
    })

    it('refuses what the device has no room for, with sizes, and goes on', async () => {
      const big = {
        code: 'OUT_OF_MEMORY',
        message: expect.stringMatching(/4\.29 GB, and SwiftShader .* has at most 1\.07 GB/),
      }
      const y = sum(expand(input('x', [1]), [1 << 30]))
      await expect(compile({ outputs: { y }, engine }).run({ x: new Float32Array(1) })).rejects.toMatchObject(big)
      const v = new Variable([3], 'f32', { kind: 'host', data: Float32Array.of(1, 2, 3) }, { engine })
      expect([...(await realize([mul(v.value, 2)]))[0]!]).toEqual([2, 4, 6])
      v.dispose()
    })
  })
})
