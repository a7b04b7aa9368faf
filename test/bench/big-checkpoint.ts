/**
 * Big checkpoints on small machines: writes a synthetic Llama of random bf16 weights, expands it by two blocks and trains
 * at T 128 with frozen weights as stored and in 4 bits, each in a process of its own; prints estimate and measured peak.
 * Needs 7 GB of disk and 12 GB of memory for 3B, and removes what it has written.
 *
 *     node --import tsx test/bench/big-checkpoint.ts [--shape 3B] [--frozen source,int4] [--steps 3] [--remat always]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parameterCount } from '../../src/model/parameters.js'
import { formatBytes, formatCount, formatTable } from '../../src/util/format.js'
import { type BigRun, bigRun } from '../support/big-run.js'
import { syntheticShapes, writeSynthetic } from '../support/synthetic-checkpoint.js'

const { values } = parseArgs({
  options: {
    shape: { type: 'string', default: '300M' },
    frozen: { type: 'string', default: 'source,int4' },
    steps: { type: 'string', default: '3' },
    remat: { type: 'string', default: 'always' },
  },
})

async function main(): Promise<void> {
  const shape = syntheticShapes[values.shape as keyof typeof syntheticShapes]
  if (!shape) throw new Error(`--shape is one of ${Object.keys(syntheticShapes).join(', ')}`)
  const root = mkdtempSync(join(tmpdir(), 'llama-pro-big-'))
  try {
    const model = join(root, 'base')
    const config = await writeSynthetic(model, shape)
    console.log(
      `${values.shape}: ${formatCount(parameterCount(config))} parameters in bf16, expanded by 2 blocks, T 128`,
    )
    const table: string[][] = []
    for (const frozenWeights of values.frozen.split(',') as BigRun['frozenWeights'][]) {
      const options = { steps: Number(values.steps), remat: values.remat as BigRun['remat'] }
      const out = join(root, frozenWeights)
      const result = await bigRun({ model, out, frozenWeights, threads: availableParallelism(), ...options })
      console.log(`\n${frozenWeights}\n${result.memoryText}`)
      const off = 100 * (result.needBytes / result.peakBytes - 1)
      const sizes = [result.needBytes, result.peakBytes].map(formatBytes)
      table.push([frozenWeights, ...sizes, `${off.toFixed(1)} %`, `${result.seconds.toFixed(0)} s`])
      rmSync(out, { recursive: true })
    }
    console.log(`\n${formatTable(['frozen weights', 'estimate', 'measured peak', 'off by', 'whole run'], table)}`)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

void main()
