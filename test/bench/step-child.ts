/**
 * Our training step of a case; one JSON line on stdout.
 * Usage: step-child.ts CASE [--steps N] [--warmup N] [--threads N] [--device NAME] [--precision f32|bf16]
 */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { TorchEngine } from '../../src/engines/torch/engine.js'
import { layerOf } from '../../src/model/parameters.js'
import type { Engine, Precision } from '../../src/tensor/engine.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { compile } from '../../src/tensor/program.js'
import { Variable } from '../../src/tensor/variable.js'
import { TrainStep } from '../../src/train/step.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { type BenchCase, type CaseName, cases } from './cases.js'
import { modelOf } from './model.js'
import { median } from './statistics.js'

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

/** GFLOP/s of a chain of square f32 products, the machine's ceiling for this engine. */
async function gemmGflops(engine: Engine): Promise<number> {
  const size = 1024
  const random = new Prng(keyOf('gemm'))
  const values = Float32Array.from({ length: size * size }, () => 0.03 * random.normal())
  const weight = new Variable([size, size], 'f32', { kind: 'host', data: values }, { engine })
  const state = new Variable([size, size], 'f32', { kind: 'host', data: values }, { engine })
  let x = state.value
  const products = 8
  for (let i = 0; i < products; i++) x = matmul(x, weight.value)
  const program = compile({ outputs: {}, updates: [[state, x]], engine })
  const seconds: number[] = []
  for (let i = 0; i < 8; i++) {
    const started = performance.now()
    await program.run()
    if (i >= 3) seconds.push((performance.now() - started) / 1000)
  }
  return (products * 2 * size ** 3) / median(seconds) / 1e9
}

/** The most that the engine's own process has held (Linux only). */
function peakBesides(engine: Engine): number {
  if (!(engine instanceof TorchEngine)) return 0
  return 1024 * Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${engine.pid}/status`, 'utf8'))![1])
}

async function main(): Promise<void> {
  const shape: BenchCase = cases[positionals[0] as CaseName]
  const [steps, warmup, threads] = [values.steps, values.warmup, values.threads].map(Number) as [number, number, number]
  const model = modelOf(shape, { device: values.device, threads, precision: values.precision as Precision })
  const paths = [...model.parameters.keys()]
  const trained = paths.filter(path => shape.trained === null || shape.trained.includes(layerOf(path) ?? -1))
  const step = new TrainStep(model, trained, {
    microBatch: shape.batch,
    seqLen: shape.seqLen,
    gradAccumSteps: 1,
    optimizer: { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 },
    rematBlocks: false,
  })
  await step.load()
  const random = new Prng(keyOf('bench'))
  const ids = () => Int32Array.from({ length: shape.batch * shape.seqLen }, () => random.below(shape.vocabSize))
  const seconds: number[] = []
  for (let i = 0; i < warmup + steps; i++) {
    const batch = { inputIds: ids(), targets: ids() }
    const started = performance.now()
    await step.run([batch], 1e-4, i + 1)
    if (i >= warmup) seconds.push((performance.now() - started) / 1000)
  }
  // before the measurement of the ceiling, which has memory of its own
  const peakRssBytes = process.resourceUsage().maxRSS * 1024 + peakBesides(model.engine)
  const gflops = await gemmGflops(model.engine)
  const result = { version: model.engine.description, medianSeconds: median(seconds), peakRssBytes, gemmGflops: gflops }
  process.stdout.write(`${JSON.stringify(result)}\n`)
  await model.engine.dispose()
}

await main()
