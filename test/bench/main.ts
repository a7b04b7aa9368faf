/**
 * Benchmarks: rivals side by side in one run, in turns. `npm run bench` runs all suites but the long ones, `npm run bench -- step
 * --case a` one, `--help` lists them. Medians are printed with their ratio to ours, and appended to results.jsonl with
 * the machine and all versions.
 */
import { parseArgs } from 'node:util'
import { formatTable } from '../../src/util/format.js'
import { type Measurement, record } from './results.js'
import { bigSuite } from './suite-big.js'
import { dataSuite } from './suite-data.js'
import { generateSuite } from './suite-generate.js'
import { gpuSuite, webGpuSuite } from './suite-gpu.js'
import { kernelSuite } from './suite-kernel.js'
import { replSuite } from './suite-repl.js'
import { stepSuite } from './suite-step.js'
import { torchSuite } from './suite-torch.js'

interface Suite {
  run(options: { rounds: number; only?: string }): Promise<Measurement[]>
  about: string
  /** Takes many minutes: only when it is named. */
  isLong?: boolean
}

const suites: Record<string, Suite> = {
  step: { run: stepSuite, about: 'a training step against PyTorch and JAX (--case a, b, c)' },
  generate: { run: generateSuite, about: 'generation against transformers' },
  data: { run: dataSuite, about: 'reading, tokenising and packing shards' },
  kernel: { run: kernelSuite, about: 'the kernel against ipykernel' },
  repl: { run: replSuite, about: 'the terminal against IPython' },
  torch: {
    run: torchSuite,
    about:
      'the step in our PyTorch engine against one written by hand, compiled (--case f32, bf16, bf16-small, bf16-once)',
    isLong: true,
  },
  gpu: {
    run: gpuSuite,
    about: 'the step on a CUDA device against one written by hand (--case b, 7B, tiny)',
    isLong: true,
  },
  webgpu: {
    run: webGpuSuite,
    about: 'the step on WebGPU, and its share of a measured rate of products (--case f32, f16)',
    isLong: true,
  },
  big: {
    run: bigSuite,
    about: 'a checkpoint of 3 G parameters with frozen weights in 16 and 4 bits (--case 3B, 300M, 100M)',
    isLong: true,
  },
}

function help(): string {
  const rows = Object.entries(suites).map(([name, { about, isLong }]) => [
    name,
    isLong ? `${about}; long: only when named` : about,
  ])
  return `npm run bench -- [SUITE...] [--rounds N (default 3)] [--case NAME] [--no-record]\n\n${formatTable(['suite', ''], rows)}\n`
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    case: { type: 'string' },
    'no-record': { type: 'boolean' },
    help: { type: 'boolean' },
  },
})

/** Seconds, tokens a second, bytes and memory of everyone, and how many times as fast as we they are. */
function report(measurements: readonly Measurement[]): string {
  const speed = (m: Measurement) => (m['tokensPerSecond'] as number | undefined) ?? 1 / (m['medianSeconds'] as number)
  const rows = measurements.map(m => {
    const ours = measurements.find(other => other.what === m.what && other.who === 'ours')!
    const time = m['medianSeconds'] === undefined ? '' : `${(1000 * (m['medianSeconds'] as number)).toFixed(1)} ms`
    const rate = m['tokensPerSecond'] === undefined ? '' : `${(m['tokensPerSecond'] as number).toFixed(1)} tokens/s`
    const rss = m['peakRssBytes'] === undefined ? '' : `${((m['peakRssBytes'] as number) / 1e6).toFixed(0)} MB`
    const bytes = m['medianBytes'] === undefined ? '' : `${m['medianBytes']} B, at most ${m['largestBytes']} B`
    return [m.what, m.who, time || rate, bytes, (speed(ours) / speed(m)).toFixed(2), rss, String(m.version)]
  })
  return formatTable(['what', 'who', 'median', 'written', 'our speed / theirs', 'peak memory', 'version'], rows)
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(help())
    return
  }
  const wanted = positionals.length > 0 ? positionals : Object.keys(suites).filter(name => !suites[name]!.isLong)
  for (const name of wanted) {
    const suite = suites[name]
    if (!suite) throw new Error(`no suite "${name}"; there are ${Object.keys(suites).join(', ')}`)
    const measurements = await suite.run({
      rounds: Number(values.rounds),
      ...(values.case ? { only: values.case } : {}),
    })
    process.stdout.write(`${report(measurements)}\n\n`)
    if (!values['no-record']) record(name, measurements)
  }
}

await main()
