/**
 * Our training step of a case; one JSON line on stdout.
 * Usage: step-child.ts CASE [--steps N] [--warmup N] [--threads N] [--device NAME] [--precision f32|bf16]
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { TorchEngine } from '../../src/engines/torch/engine.js'
import type { Engine, Precision } from '../../src/tensor/engine.js'
import { type BenchCase, type CaseName, cases } from './cases.js'
import { modelOf } from './model.js'
import { matmulFlops, medianStepSeconds } from './timed-step.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: 'string', default: '8' },
    warmup: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    device: { type: 'string', default: 'cpu' },
    precision: { type: 'string', default: 'f32' },
  },
})

/** The most that the engine's own process has held (Linux only). */
function peakBesides(engine: Engine): number {
  if (!(engine instanceof TorchEngine)) return 0
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${engine.pid}/status`, 'utf8'))![1])
}

async function main(): Promise<void> {
  const shape: BenchCase = cases[positionals[0] as CaseName]
  const [steps, warmup, threads] = [values.steps, values.warmup, values.threads].map(Number) as [number, number, number]
  const model = modelOf(shape, { device: values.device, threads, precision: values.precision as Precision })
  const medianSeconds = await medianStepSeconds(model, shape, { steps, warmup })
  // before the measurement of the ceiling, which has memory of its own
  const peakRssBytes = process.resourceUsage().maxRSS * 1024 + peakBesides(model.engine)
  const gemmGflops = (await matmulFlops(model.engine, 1024)) / 1e9
  const result = { version: model.engine.description, medianSeconds, peakRssBytes, gemmGflops }
  process.stdout.write(`${JSON.stringify(result)}\n`)
  await model.engine.dispose()
}

await main()
