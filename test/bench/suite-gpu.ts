/**
 * The step on a GPU: our PyTorch programs against the same step written by hand on the same card, both compiled, in bf16 over
 * f32 masters with frozen matrices in bf16; and WebGPU, with its share of a measured rate of products. `--case` is one of
 * {@link gpuCases}; LLAMA_PRO_BENCH_DEVICE names another device than cuda (`cpu`, to see that both sides run),
 * LLAMA_PRO_BENCH_BATCH another batch.
 */
import { type BenchCase, gpuCases, stepFlops } from './cases.js'
import { benchPython } from './python.js'
import type { Measurement } from './results.js'
import { ours, peer, sideBySide } from './side-by-side.js'

export async function gpuSuite({ rounds, only }: { rounds: number; only?: string }): Promise<Measurement[]> {
  process.env['LLAMA_PRO_PYTHON'] ??= benchPython()
  const device = process.env['LLAMA_PRO_BENCH_DEVICE'] ?? 'cuda'
  const results: Measurement[] = []
  for (const name of only === undefined ? (['b', '7B'] as const) : [only as keyof typeof gpuCases]) {
    const given: BenchCase | undefined = gpuCases[name]
    if (!given) throw new Error(`--case of gpu is one of ${Object.keys(gpuCases).join(', ')}`)
    const shape = { ...given, batch: Number(process.env['LLAMA_PRO_BENCH_BATCH'] ?? given.batch) }
    const batch = ['--batch', String(shape.batch)]
    const low = ['--compile', '--autocast', '--frozen-bf16', '--device', device]
    const rivals = [
      ours('gpu-child.ts', [name, '--device', `torch:${device}`, ...batch]),
      peer('torch.compile', 'torch_step.py', [JSON.stringify(shape), ...low]),
    ]
    const onTorch = await sideBySide(`gpu ${name} bf16`, rivals, { rounds })
    results.push(...onTorch.map(measurement => withRates(measurement, shape)))
  }
  return results
}

/** The same step on WebGPU, case b: f32, and f16 where the adapter has it. `--case` is the precision. */
export async function webGpuSuite({ rounds, only }: { rounds: number; only?: string }): Promise<Measurement[]> {
  const device = process.env['LLAMA_PRO_BENCH_DEVICE'] ?? 'webgpu'
  const name = device === 'webgpu' ? 'b' : 'tiny'
  const results: Measurement[] = []
  for (const precision of only === undefined ? ['f32', 'f16'] : [only]) {
    const rivals = [ours('gpu-child.ts', [name, '--device', device, '--precision', precision])]
    const found = await sideBySide(`webgpu ${name} ${precision}`, rivals, { rounds })
    results.push(...found.map(measurement => withRates(measurement, gpuCases[name])))
  }
  return results
}

/** Both sides' rates from their times, by one count of tokens and operations. */
function withRates(measurement: Measurement, shape: BenchCase): Measurement {
  const { medianSeconds } = measurement as Measurement & { medianSeconds: number }
  const rate = (amount: number) => Number((amount / medianSeconds).toPrecision(4))
  const teraflops = rate(stepFlops(shape) / 1e12)
  return { ...measurement, trainedTokensPerSecond: rate(shape.batch * shape.seqLen), teraflops }
}
