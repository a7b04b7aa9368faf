/** A recipe in f16 from its base to the trained model, on the models that are emitted for WebGPU. */
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openRunData } from '../../src/lab/run-data.js'
import type { RunEvents } from '../../src/lab/run-events.js'
import { buildRunModel } from '../../src/lab/run-model.js'
import { checkPrecision, trainRun } from '../../src/lab/train-run.js'
import { readMetrics } from '../../src/train/metrics.js'
import { parseRecipe, type Recipe } from '../../src/train/recipe.js'
import { Emitter } from '../../src/util/emitter.js'
import { DeviceModelEngine } from '../support/device-model-engine.js'
import { temporaryDirectory } from '../support/temporary.js'
import { comparable, writeTinyRun } from '../support/tiny-run.js'

const dir = temporaryDirectory('f16-run')

interface RunTo {
  out: string
  resume?: boolean
  /** Stop after this step. */
  stopAt?: number
}

async function run(recipe: Recipe, { out, resume = false, stopAt }: RunTo) {
  const engine = new DeviceModelEngine('f16')
  checkPrecision(recipe, engine)
  const events = new Emitter<RunEvents>()
  const warnings: string[] = []
  events.on('warning', ({ message }) => warnings.push(message))
  const control = new AbortController()
  events.on('record', ({ kind, step }) => {
    if (kind === 'train' && step === stopAt) control.abort()
  })
  const data = await openRunData(recipe, recipe.model!, { events })
  try {
    const built = await buildRunModel(recipe, recipe.model!, engine, data)
    // makes gradients large: the scale of the start is too much for them
    const norm = built.model.parameter('model.norm.weight')
    norm.write((await norm.read()).map(x => 32 * x))
    const parts = { engine, built, data, pinned: null, tokenizerPath: recipe.model!, events }
    const { status } = await trainRun({ recipe, out, resume, device: 'webgpu', signal: control.signal }, parts)
    return { status, warnings, records: readMetrics(join(out, 'metrics.jsonl')) }
  } finally {
    await data.dispose()
    await engine.dispose()
  }
}

describe('a run in f16', () => {
  it('skips and reports the steps that overflow, learns, and goes on exactly after an interruption', async () => {
    const recipe = parseRecipe(await writeTinyRun(join(dir, 'data'), { steps: 8, precision: 'f16' }))
    const whole = await run(recipe, { out: join(dir, 'whole') })
    const steps = whole.records.flatMap(record => (record.kind === 'train' ? [record] : []))
    const overflows = whole.records.flatMap(r => (r.kind === 'event' && r.name === 'overflow' ? [r.step] : []))
    expect(whole.status).toBe('done')
    expect(overflows[0]).toBe(1)
    expect(overflows.length).toBeLessThan(5)
    expect(whole.warnings).toEqual(
      overflows.map(
        (step, i) =>
          `step ${step}: a gradient overflowed f16, so nothing was updated; the loss scale is now ${2 ** (15 - i)}`,
      ),
    )
    expect(steps.map(({ lossScale }) => lossScale)).toEqual(
      steps.map(({ step }) => 2 ** (16 - overflows.filter(at => at < step).length)),
    )
    expect(steps.at(-1)!.lossNats).toBeLessThan(steps[0]!.lossNats - 0.5)

    const out = join(dir, 'broken')
    expect((await run(recipe, { out, stopAt: 2 })).status).toBe('interrupted')
    const resumed = await run(recipe, { out, resume: true })
    expect(resumed.status).toBe('done')
    expect(comparable(resumed.records)).toEqual(comparable(whole.records))
  })
})
