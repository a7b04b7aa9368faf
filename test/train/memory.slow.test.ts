/** The estimate printed before a run against what the process really came to hold. Every run is a process of its own. */
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { formatBytes, formatTable } from '../../src/util/format.js'
import { spawnTrain } from '../support/spawn-train.js'
import { temporaryDirectory } from '../support/temporary.js'
import { type TinyModelOptions, writeTinyRun } from '../support/tiny-run.js'

const dir = temporaryDirectory('memory')

interface Shape {
  name: string
  model: TinyModelOptions
  rows: number
  seqLen: number
  changes?: Record<string, unknown>
}

const full = { method: 'full', expansion: undefined }
const shapes: Shape[] = [
  {
    name: 'a large model, one short row',
    model: { hiddenSize: 512, layers: 6, heads: 8, intermediateSize: 1408, context: 128 },
    rows: 1,
    seqLen: 64,
  },
  {
    name: 'a small model, many rows',
    model: { hiddenSize: 128, layers: 4, heads: 4, intermediateSize: 288, context: 128 },
    rows: 48,
    seqLen: 128,
  },
  {
    name: 'full fine-tuning',
    model: { hiddenSize: 256, layers: 6, heads: 8, intermediateSize: 576, context: 128 },
    rows: 12,
    seqLen: 128,
    changes: full,
  },
  {
    name: 'remat',
    model: { hiddenSize: 256, layers: 8, heads: 8, intermediateSize: 576, context: 256 },
    rows: 12,
    seqLen: 256,
    changes: { remat: 'always', expansion: { groups: 4 } },
  },
]

describe('the memory estimate', () => {
  const table: string[][] = []
  afterAll(() => {
    console.log(`\n${formatTable(['run', 'estimate', 'measured peak', 'off by'], table)}\n`)
  })

  it.each(shapes)(
    'is within 20 %% of the measured peak: $name',
    async ({ name, model, rows, seqLen, changes = {} }) => {
      const root = join(dir, name.replaceAll(' ', '-').replaceAll(',', ''))
      const recipe = await writeTinyRun(
        root,
        {
          batch: { microBatch: rows },
          steps: 4,
          probeEverySteps: 2,
          checkpointEverySteps: 2,
          ...changes,
        },
        model,
      )
      const data = { ...(recipe['data'] as object), seqLen }
      const { code, stderr, result } = await spawnTrain({
        recipe: { ...recipe, data },
        out: join(root, 'run'),
        threads: 1,
      })
      expect(stderr).toBe('')
      expect(code).toBe(0)
      const { memory, peakBytes } = result!
      const ratio = memory.needBytes / peakBytes
      table.push([name, formatBytes(memory.needBytes), formatBytes(peakBytes), `${(100 * (ratio - 1)).toFixed(1)} %`])
      expect(Math.abs(ratio - 1), memory.text).toBeLessThan(0.2)
    },
  )
})
