/** The webgpu engine on Mesa's lavapipe, a GPU in software whose shaders compute in f16. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { environmentBefore } from '../../src/engines/webgpu/adapter.js'
import { softwareDriver, softwareFault } from '../../src/engines/webgpu/software.js'
import { webGpuEngine } from '../../src/engines/webgpu/start.js'
import type { RunEvents } from '../../src/lab/run-events.js'
import { runRecipe } from '../../src/lab/run-recipe.js'
import { tryEngine } from '../../src/lab/try-engine.js'
import { fromHost } from '../../src/tensor/leaf.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { realize } from '../../src/tensor/program.js'
import { readMetrics } from '../../src/train/metrics.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { Emitter } from '../../src/util/emitter.js'
import { messageOf } from '../../src/util/errors.js'
import { kernelsOf } from '../support/ort-profile.js'
import { temporaryDirectory } from '../support/temporary.js'
import { writeTinyRun } from '../support/tiny-run.js'
import { conformance } from './conformance.js'
import { halfProducts } from './half-products.js'

const device = 'webgpu:lavapipe'
const fault = softwareFault(device) ?? (await unfitness())

/** Why the driver that is there is too old for these tests, or null. */
async function unfitness(): Promise<string | null> {
  const message = await tryEngine(device, { precision: 'f16' }).then(() => '', messageOf)
  return /which WebGPU needs|does not have the WebGPU feature shader-f16/.test(message) ? message : null
}
if (fault !== null) console.log(`Skipped: the engine webgpu in f16. ${fault}`)

describe.skipIf(fault !== null)('webgpu on lavapipe', () => {
  conformance(device, () => webGpuEngine(device), { afterFailedUpdate: 'unchanged' })
  // sums of 128 terms are made in f16, every term rounded
  halfProducts(device, () => webGpuEngine(device, { precision: 'f16' }), { error: 2.5e-3 })

  it('computes every part of a product in f16 on the device', async () => {
    const dir = temporaryDirectory('lavapipe-profile')
    const engine = webGpuEngine(device, { precision: 'f16', profilePrefix: join(dir, 'p') })
    const x = fromHost(new Float32Array(8 * 600).fill(1), [8, 600], 'f32')
    const products = [matmul(x, x, { transB: true }), matmul(x, x, { transA: true })]
    expect((await realize(products, { engine })).map(([first]) => first)).toEqual([600, 8])
    await engine.dispose()
    const ran = kernelsOf(dir)
    // 600 terms are a stack of four parts and a rest; 8 are one part
    expect(ran.filter(({ op }) => op === 'MatMul')).toHaveLength(3)
    expect([...new Set(ran.map(({ provider }) => provider))]).toEqual(['WebGpuExecutionProvider'])
  })

  it('is chosen by variables of the process that other processes are not given', async () => {
    await webGpuEngine(device).dispose()
    const names = ['VK_ICD_FILENAMES', 'VK_DRIVER_FILES'] as const
    expect(names.map(name => process.env[name])).toEqual([softwareDriver(device), softwareDriver(device)])
    expect(names.map(name => environmentBefore()[name])).toEqual([undefined, undefined])
    expect(environmentBefore()['PATH']).toBe(process.env['PATH'])
  })

  it('runs a recipe in f16 from its base to the trained model, near the losses of the CPU in f32', async () => {
    const dir = temporaryDirectory('lavapipe-run')
    const events = new Emitter<RunEvents>()
    const engines: string[] = []
    events.on('engine', ({ description }) => engines.push(description))
    const lossesOn = async (precision: 'f16' | 'f32', on: string) => {
      const recipe = parseRecipe(await writeTinyRun(join(dir, `data-${precision}`), { steps: 5, precision }))
      const out = join(dir, precision)
      const { status } = await runRecipe({ recipe, out, device: on, events })
      expect(status).toBe('done')
      return readMetrics(join(out, 'metrics.jsonl')).flatMap(record => (record.kind === 'train' ? [record] : []))
    }
    const [ours, theirs] = [await lossesOn('f16', device), await lossesOn('f32', 'cpu')]
    expect(engines[0]).toMatch(/^onnxruntime 1\.\d+\.\d+ on webgpu: llvmpipe .*software, .*with shader-f16\), f16$/)
    expect(ours.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5])
    expect(ours.every(({ lossScale }) => lossScale === 2 ** 16)).toBe(true)
    const worst = Math.max(...ours.map(({ lossNats }, i) => Math.abs(lossNats - theirs[i]!.lossNats)))
    console.log(`${device}: a run in f16, worst difference of losses ${worst.toExponential(1)}`)
    expect(worst).toBeGreaterThan(0)
    expect(worst).toBeLessThan(1e-2)
  })
})
