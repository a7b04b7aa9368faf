/**
 * Our training step of a case on a GPU; one JSON line on stdout. Weights are random, in bf16 where they are frozen and the
 * precision is bf16, and come from one file that every matrix is read from.
 * Usage: gpu-child.ts CASE [--device NAME] [--precision f32|bf16|f16] [--batch N] [--steps N] [--warmup N]
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createEngine } from '../../src/index.js'
import { Model } from '../../src/model/model.js'
import { layerOf, parameterShapes } from '../../src/model/parameters.js'
import type { Engine, Precision } from '../../src/tensor/engine.js'
import { f32ToBf16 } from '../../src/tensor/half.js'
import { sizeOf } from '../../src/tensor/shape.js'
import { Variable } from '../../src/tensor/variable.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { type BenchCase, gpuCases, stepFlops } from './cases.js'
import { configOf } from './model.js'
import { matmulFlops, medianStepSeconds } from './timed-step.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    device: { type: 'string', default: 'torch:cuda' },
    precision: { type: 'string', default: 'bf16' },
    batch: { type: 'string' },
    steps: { type: 'string', default: '8' },
    warmup: { type: 'string', default: '3' },
  },
})

/** Elements drawn for the file; larger matrices repeat them. */
const DRAWN = 1 << 22

/** A file of normal bf16 numbers of standard deviation 0.02 that is long enough for every matrix. */
function writeWeights(path: string, elements: number): void {
  const random = new Prng(keyOf('gpu'))
  const drawn = Uint16Array.from({ length: DRAWN }, () => f32ToBf16(0.02 * random.normal()))
  const bytes = new Uint16Array(elements)
  for (let at = 0; at < elements; at += DRAWN) bytes.set(drawn.subarray(0, Math.min(DRAWN, elements - at)), at)
  writeFileSync(path, bytes)
}

function randomModel(shape: BenchCase, engine: Engine, path: string): Model {
  const config = configOf(shape)
  writeWeights(path, Math.max(...[...parameterShapes(config).values()].map(sizeOf)))
  const isTrained = (name: string) => shape.trained === null || shape.trained.includes(layerOf(name) ?? -1)
  return new Model(config, engine, (name, dims) => {
    if (dims.length === 1)
      return { dtype: 'f32', init: { kind: 'host', data: new Float32Array(dims[0]!).fill(1), transfer: true } }
    const init = { kind: 'file', path, byteOffset: 0, byteLength: 2 * sizeOf(dims), dtype: 'bf16' } as const
    const isLow = engine.precision === 'bf16' && !isTrained(name)
    return isLow ? new Variable(dims, 'bf16', init, { engine, name, isReadOnly: true }) : { dtype: 'f32', init }
  })
}

/** What is in use on the first GPU, as its driver tells. */
function deviceBytes(): number {
  const args = ['--query-gpu=memory.used', '--format=csv,noheader,nounits']
  return Number(execFileSync('nvidia-smi', args, { encoding: 'utf8' }).split('\n')[0]) * 2 ** 20
}

async function main(): Promise<void> {
  const given: BenchCase = gpuCases[positionals[0] as keyof typeof gpuCases]
  const shape = { ...given, batch: Number(values.batch ?? given.batch) }
  const [steps, warmup] = [values.steps, values.warmup].map(Number) as [number, number]
  const engine = createEngine(values.device, { precision: values.precision as Precision })
  const folder = mkdtempSync(join(tmpdir(), 'llama-pro-gpu-'))
  try {
    const model = randomModel(shape, engine, join(folder, 'weights'))
    const medianSeconds = await medianStepSeconds(model, shape, { steps, warmup })
    const held = values.device.startsWith('torch:cuda') || values.device === 'webgpu' ? deviceBytes() : null
    const peak = (await matmulFlops(engine, shape.hiddenSize >= 512 ? 4096 : 256)) / 1e12
    const teraflops = stepFlops(shape) / medianSeconds / 1e12
    const figures = { medianSeconds, teraflops, matmulTeraflops: peak, shareOfMatmul: teraflops / peak }
    const result = { version: engine.description, ...figures, ...(held === null ? {} : { deviceBytes: held }) }
    process.stdout.write(`${JSON.stringify(result)}\n`)
  } finally {
    await engine.dispose()
    rmSync(folder, { recursive: true })
  }
}

await main()
