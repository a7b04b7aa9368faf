/** The webgpu engine on SwiftShader, a GPU in software. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { SOFTWARE_DRIVER_VARIABLE, softwareDriver } from '../../src/engines/webgpu/adapter.js'
import { webGpuEngine } from '../../src/engines/webgpu/start.js'
import { createEngine } from '../../src/lab/engines.js'
import type { Engine } from '../../src/tensor/engine.js'
import { TrainStep } from '../../src/train/step.js'
import { temporaryDirectory } from '../support/temporary.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'
import { conformance } from './conformance.js'

const fault = softwareDriver() === null ? `no SwiftShader: install chromium or set ${SOFTWARE_DRIVER_VARIABLE}` : null
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
  conformance('webgpu:swiftshader', start)

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
    const events = readdirSync(dir).flatMap(
      file =>
        JSON.parse(readFileSync(join(dir, file), 'utf8')) as { name: string; args?: { op_name?: string; provider?: string } }[],
    )
    const ran = events.filter(({ name }) => name.endsWith('_kernel_time')).map(({ args }) => args!)
    const where = new Map<string, Set<string>>()
    for (const { op_name: op, provider } of ran) where.set(provider!, (where.get(provider!) ?? new Set()).add(op!))
    console.log(ran.length, where)
    expect(ran.length).toBeGreaterThan(1000)
    expect([...where.keys()]).toEqual(['WebGpuExecutionProvider'])
  })
})
