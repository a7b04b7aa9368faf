/** A run whose PyTorch process is killed keeps its last checkpoint, and goes on from it to the same end. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Lab } from '../../src/index.js'
import type { RunEvents } from '../../src/lab/run-events.js'
import { runRecipe } from '../../src/lab/run-recipe.js'
import { readMetrics } from '../../src/train/metrics.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { Emitter } from '../../src/util/emitter.js'
import { describeWithPython } from '../support/python.js'
import { temporaryDirectory } from '../support/temporary.js'
import { comparable, writeTinyRun } from '../support/tiny-run.js'

/** The PyTorch processes that this process has started. */
function workers(): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(name => {
      try {
        const parent = readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /, '')
          .split(' ')[1]
        return Number(parent) === process.pid && /torch.worker\.py/.test(readFileSync(`/proc/${name}/cmdline`, 'utf8'))
      } catch {
        return false
      }
    })
    .map(Number)
}

describeWithPython('a run on torch:cpu', () => {
  it.skipIf(process.platform !== 'linux')('that loses its process fails cleanly and is resumed exactly', async () => {
    const dir = temporaryDirectory('torch-run')
    const recipe = parseRecipe(await writeTinyRun(join(dir, 'data'), { steps: 8 }))
    const run = (name: string, options: { resume?: boolean; events?: Emitter<RunEvents> } = {}) =>
      runRecipe({ recipe, out: join(dir, name), device: 'torch:cpu', torchEager: true, threads: 1, ...options })
    const records = (name: string) => comparable(readMetrics(join(dir, name, 'metrics.jsonl')))
    expect(await run('whole')).toMatchObject({ status: 'done' })

    const events = new Emitter<RunEvents>()
    events.on('record', ({ kind, step }) => {
      if (kind === 'train' && step === 5) for (const pid of workers()) process.kill(pid, 'SIGKILL')
    })
    await expect(run('killed', { events })).rejects.toMatchObject({
      code: 'ENGINE',
      message: expect.stringContaining('SIGKILL'),
    })
    expect(workers()).toEqual([])
    expect(await run('killed', { resume: true })).toMatchObject({ status: 'done', step: 8 })
    expect(records('killed')).toEqual(records('whole'))
  })

  it('of a session in bf16 is resumed from the f32 weights that it was started with', async () => {
    const dir = temporaryDirectory('torch-session')
    await writeTinyRun(dir)
    const lab = new Lab({ cwd: dir, device: 'torch:cpu', torchEager: true, precision: 'bf16', threads: 1 })
    try {
      await lab.load('base')
      lab.data(['one.jsonl'])
      lab.probes({ general: 'probe.jsonl' })
      await lab.expand({ groups: 2 })
      const options = { steps: 4, seqLen: 16, microBatch: 2, probeEverySteps: 2, checkpointEverySteps: 2 }
      const run = lab.train({ ...options, recipe: { precision: 'bf16' } })
      run.events.on('record', ({ kind, step }) => {
        if (kind === 'train' && step === 2) run.stop().catch(() => {})
      })
      expect(await run).toMatchObject({ status: 'interrupted' })
      expect(await lab.resume(run.dir)).toMatchObject({ status: 'done', step: 4 })
    } finally {
      await lab.dispose()
    }
  })
})
