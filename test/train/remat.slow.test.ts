/** Rematerialisation: the same numbers in less memory, measured on processes of their own. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import type { StepReport, StepRequest } from '../support/step-child.js'

function run(request: StepRequest): StepReport {
  const script = fileURLToPath(new URL('../support/step-child.ts', import.meta.url))
  const args = ['--import', 'tsx', script, JSON.stringify(request)]
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as StepReport
}

describe('eight blocks, only the lowest trained, so that the backward pass goes through all of them', () => {
  const shape = { layers: 8, rows: 16, seqLen: 128, steps: 3 }
  let kept: StepReport
  let again: StepReport
  beforeAll(() => {
    kept = run({ ...shape, remat: false })
    again = run({ ...shape, remat: true })
  })

  it('computed again give the losses and gradient norms of activations that were kept', () => {
    expect(kept.losses).toHaveLength(3)
    for (const [i, loss] of again.losses.entries()) expect(Math.abs(loss - kept.losses[i]!)).toBeLessThan(1e-6)
    for (const [i, norm] of again.gradNorms.entries()) expect(norm / kept.gradNorms[i]!).toBeCloseTo(1, 5)
  })

  it('take less than half of the memory that a step adds to the process', () => {
    const added = ({ peakBytes, loadedBytes }: StepReport) => peakBytes - loadedBytes
    console.log(`a step adds ${(added(kept) / 1e6).toFixed(0)} MB, with remat ${(added(again) / 1e6).toFixed(0)} MB`)
    // one block's activations and eight inputs of blocks, against eight blocks' activations
    expect(added(again) / added(kept)).toBeLessThan(0.5)
  })
})
