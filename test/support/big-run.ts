/** Training steps of an expanded synthetic checkpoint in a process of its own: estimate before, peak after. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { ChildResult } from './spawn-train.js'
import { spawnTrain } from './spawn-train.js'
import { documents, writeJsonl } from './tiny-run.js'

export interface BigRun {
  /** Directory of the base. */
  model: string
  /** Directory of this run, made here. */
  out: string
  frozenWeights: 'f32' | 'source' | 'int8' | 'int4'
  steps: number
  remat: 'always' | 'never'
  threads: number
}

export interface BigResult {
  seconds: number
  needBytes: number
  stepsPeakBytes: number
  peakBytes: number
  memoryText: string
}

/** Two new blocks, T 128, one row. The run is stopped after its last step, so that no result is written. */
export async function bigRun({ model, out, frozenWeights, steps, remat, threads }: BigRun): Promise<BigResult> {
  mkdirSync(out, { recursive: true })
  const manifest = writeJsonl(join(out, 'text.jsonl'), documents(200, 'big'))
  const recipe = {
    name: 'big',
    model,
    method: 'expansion',
    expansion: { groups: 2, copies: 1 },
    frozenWeights,
    remat,
    data: { sources: [{ manifest }], seqLen: 128 },
    steps: steps + 1,
    seed: 1,
    checkpointEverySteps: 1000,
  }
  const started = performance.now()
  const child: ChildResult = await spawnTrain({ recipe, out: join(out, 'run'), threads, abortAt: steps })
  if (!child.result) throw new Error(`the run failed with code ${child.code}: ${child.stderr}`)
  const { memory, stepsPeakBytes, peakBytes } = child.result
  return {
    seconds: (performance.now() - started) / 1000,
    needBytes: memory.needBytes,
    stepsPeakBytes,
    peakBytes,
    memoryText: memory.text,
  }
}
