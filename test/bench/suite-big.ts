/**
 * Big checkpoints on small machines: a synthetic Llama of random bf16 weights, expanded by two blocks and trained three steps
 * at T 128 with frozen weights as stored and in 4 bits, each in a process of its own; estimate and measured peak, until the last
 * step and with the checkpoint that follows it. 3B needs 7 GB of disk and 12 GB of memory; what was written is removed.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parameterCount } from '../../src/model/parameters.js'
import { formatCount } from '../../src/util/format.js'
import { packageVersion } from '../../src/util/package.js'
import { type BigResult, bigRun } from '../support/big-run.js'
import { syntheticShapes, writeSynthetic } from '../support/synthetic-checkpoint.js'
import type { Measurement } from './results.js'
import { median } from './statistics.js'

/** @param only which shape (default 3B) */
export async function bigSuite({ rounds, only = '3B' }: { rounds: number; only?: string }): Promise<Measurement[]> {
  const shape = syntheticShapes[only as keyof typeof syntheticShapes]
  if (!shape) throw new Error(`--case of big is one of ${Object.keys(syntheticShapes).join(', ')}`)
  const root = mkdtempSync(join(tmpdir(), 'llama-pro-big-'))
  try {
    const model = join(root, 'base')
    const parameters = parameterCount(await writeSynthetic(model, shape))
    process.stderr.write(`${only}: ${formatCount(parameters)} parameters in bf16\n`)
    const results: Measurement[] = []
    for (const frozenWeights of ['source', 'int4'] as const) {
      const runs: BigResult[] = []
      for (let round = 0; round < rounds; round++) {
        const out = join(root, `${frozenWeights}-${round}`)
        const threads = availableParallelism()
        runs.push(await bigRun({ model, out, frozenWeights, steps: 3, remat: 'always', threads }))
        rmSync(out, { recursive: true })
      }
      results.push(measurementOf(`big ${only} ${frozenWeights}`, runs))
    }
    return results
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

/** `medianSeconds`: of the whole run, loading and three steps. */
function measurementOf(what: string, runs: readonly BigResult[]): Measurement {
  return {
    what,
    who: 'ours',
    version: packageVersion(),
    medianSeconds: median(runs.map(({ seconds }) => seconds)),
    estimatedBytes: median(runs.map(({ needBytes }) => needBytes)),
    stepsPeakRssBytes: median(runs.map(({ stepsPeakBytes }) => stepsPeakBytes)),
    peakRssBytes: median(runs.map(({ peakBytes }) => peakBytes)),
  }
}
