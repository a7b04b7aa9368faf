/** A recipe on tfjs gives the losses that it gives on onnxruntime. */
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import { runRecipe } from '../../src/lab/run-recipe.js'
import { readMetrics } from '../../src/train/metrics.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { temporaryDirectory } from '../support/temporary.js'
import { writeTinyRun } from '../support/tiny-run.js'

const dir = temporaryDirectory('tfjs-training')
const steps = 3
let recipe: Record<string, unknown>

async function numbers(device: string): Promise<{ train: number[]; probes: number[] }> {
  const out = join(dir, device.replace(':', '-'))
  await runRecipe({ recipe: parseRecipe(recipe), out, device, ...(device === 'cpu' ? { threads: 1 } : {}) })
  const records = readMetrics(join(out, 'metrics.jsonl'))
  return {
    train: records.flatMap(r => (r.kind === 'train' ? [r.lossNats, r.gradNorm] : [])),
    probes: records.flatMap(r => (r.kind === 'probe' ? [r.lossNats] : [])),
  }
}

let onnx: { train: number[]; probes: number[] }
beforeAll(async () => {
  recipe = await writeTinyRun(join(dir, 'data'), { steps, probeEverySteps: steps })
  onnx = await numbers('cpu')
})

const devices = ['tfjs:cpu', 'tfjs:wasm', ...(process.env['LLAMA_PRO_TFJS_NODE'] ? ['tfjs:node'] : [])]
it.each(devices)(
  '%s: the losses and gradient norms of three steps, and the probes, are those of onnxruntime',
  async device => {
    const ours = await numbers(device)
    expect(ours.train).toHaveLength(2 * steps)
    expect(ours.probes).toHaveLength(onnx.probes.length)
    const all = [...ours.train, ...ours.probes]
    const differences = [...onnx.train, ...onnx.probes].map((value, i) => Math.abs(value - all[i]!) / Math.abs(value))
    console.log(`${device}: largest relative difference ${Math.max(...differences).toExponential(1)}`)
    expect(Math.max(...differences)).toBeLessThan(2e-6)
  },
)
