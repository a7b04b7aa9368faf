/** What a run leaves when it is refused, how it begins again, and where it goes on. */
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { RunEvents } from '../../src/lab/run-events.js'
import { type RunOptions, runRecipe } from '../../src/lab/run-recipe.js'
import { readMetrics } from '../../src/train/metrics.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { readRun } from '../../src/train/run-directory.js'
import { Emitter } from '../../src/util/emitter.js'
import { spawnTrain } from '../support/spawn-train.js'
import { temporaryDirectory } from '../support/temporary.js'
import { comparable, writeBase, writeTinyRun } from '../support/tiny-run.js'

const dir = temporaryDirectory('run-start')
let recipe: Record<string, unknown>
beforeAll(async () => {
  recipe = await writeTinyRun(join(dir, 'data'), { steps: 2, checkpointEverySteps: 1 })
})

interface RunTo extends Partial<RunOptions> {
  changes?: Record<string, unknown>
  /** Stop after this step. */
  stopAt?: number
}

async function run(out: string, { changes = {}, stopAt, ...options }: RunTo = {}) {
  const events = new Emitter<RunEvents>()
  const warnings: string[] = []
  const memory: RunEvents['memory'][] = []
  events.on('warning', ({ message }) => warnings.push(message))
  events.on('memory', event => memory.push(event))
  const control = new AbortController()
  events.on('record', ({ kind, step }) => {
    if (kind === 'train' && step === stopAt) control.abort()
  })
  const given = { recipe: parseRecipe({ ...recipe, ...changes }), out: join(dir, out), threads: 1 }
  const result = await runRecipe({ ...given, signal: control.signal, events, ...options })
  return { ...result, warnings, memory: memory[0]!, records: readMetrics(join(dir, out, 'metrics.jsonl')) }
}

describe('a run that is refused before its first step', () => {
  it('for want of memory leaves nothing, and starts when there is more of it', async () => {
    await expect(run('memory', { memoryBytes: 1e6 })).rejects.toMatchObject({
      code: 'MEMORY',
      message: expect.stringMatching(/needs about .*, there are 1\.00 MB allowed for this run: .*--memory/),
    })
    expect(existsSync(join(dir, 'memory'))).toBe(false)
    const { status, memory } = await run('memory', { memoryBytes: 1e12 })
    expect(status).toBe('done')
    expect(memory.availableBytes).toBe(1e12)
  })

  it('by the loader leaves nothing', async () => {
    const manifest = join(dir, 'data/one.jsonl')
    const data = { ...(recipe['data'] as object), sources: [{ manifest }, { manifest }] }
    await expect(run('loader', { changes: { data } })).rejects.toMatchObject({ code: 'LOADER_OPTIONS' })
    expect(existsSync(join(dir, 'loader'))).toBe(false)
  })
})

it('blocks are computed again where activations would not fit, unless the recipe forbids it', async () => {
  const data = { ...(recipe['data'] as object), seqLen: 64 }
  const wide = { ...recipe, data, batch: { microBatch: 128 }, steps: 1, probes: [] }
  const model = await writeBase(join(dir, 'wide'), { hiddenSize: 128, layers: 8, heads: 4 })
  const start = async (out: string, changes: Record<string, unknown>, memoryBytes: number) =>
    spawnTrain({ recipe: { ...wide, model, ...changes }, out: join(dir, out), memoryBytes })
  const whole = await start('whole', { remat: 'never' }, 1e12)
  // half of what computing them again saves: two processes differ by tens of megabytes in what they hold besides
  const memoryBytes = whole.result!.memory.needBytes - 140e6
  const auto = await start('auto', {}, memoryBytes)
  console.log(JSON.stringify(whole.result!.memory), memoryBytes, auto.stderr, auto.result?.memory)
  expect(auto).toMatchObject({ code: 0, result: { status: 'done' } })
  expect(auto.result!.memory.needBytes).toBeLessThan(memoryBytes)
  const never = await start('never', { remat: 'never' }, memoryBytes)
  expect(never).toMatchObject({ code: 1, stderr: expect.stringContaining('the run needs about') })
})

describe('a run without a checkpoint', () => {
  it('begins again under another recipe', async () => {
    const data = { ...(recipe['data'] as object), sources: [{ manifest: join(dir, 'bad.jsonl') }] }
    writeFileSync(join(dir, 'bad.jsonl'), 'not JSON\n')
    await expect(run('again', { changes: { data } })).rejects.toThrow(/bad\.jsonl/)
    expect(existsSync(join(dir, 'again/run.json'))).toBe(true)
    await expect(run('again')).rejects.toMatchObject({ code: 'RUN_EXISTS' })
    expect(await run('again', { resume: true })).toMatchObject({ status: 'done', step: 2 })
    expect(readRun(join(dir, 'again'))['recipe']).toMatchObject({ data: parseRecipe(recipe).data })
  })
})

describe('a run that goes on', () => {
  it('on another engine warns, and its metrics say where it goes on', async () => {
    await run('engine', { stopAt: 1 })
    const { device, engine } = readRun(join(dir, 'engine'))
    expect({ device, engine }).toEqual({ device: 'cpu', engine: expect.stringMatching(/^onnxruntime .*, 1 threads/) })
    const { warnings, records } = await run('engine', { resume: true, device: 'reference' })
    expect(warnings).toEqual([
      expect.stringMatching(/started with --device cpu \(onnxruntime .* goes on with --device reference .*bit for bit/),
    ])
    expect(records.find(({ kind }) => kind === 'event')).toMatchObject({
      name: 'resumed',
      step: 1,
      detail: { device: 'reference', engine: expect.stringContaining('float64') },
    })
  })

  it('from a damaged checkpoint is refused with its name, and goes on from the one before when that is removed', async () => {
    const changes = { steps: 3 }
    const whole = await run('damaged', { changes })
    const newest = join(dir, 'damaged/checkpoints/step-3')
    const state = readFileSync(join(newest, 'state.json'), 'utf8')
    const refused = async (reason: RegExp) => {
      const error: Error & { code?: string } = await run('damaged', { changes, resume: true }).then(
        () => expect.fail('it was continued'),
        (reason: Error) => reason,
      )
      expect(error.code).toBe('CHECKPOINT')
      expect(error.message).toMatch(reason)
      expect(error.message).toContain(`remove ${newest} to go on from step 2`)
    }
    writeFileSync(join(newest, 'state.json'), state.slice(0, 20))
    await refused(/step-3: state\.json is not JSON/)
    writeFileSync(join(newest, 'state.json'), state.replace('"version": 1', '"version": 2'))
    await refused(/expected version 1, got 2/)
    writeFileSync(join(newest, 'state.json'), state)
    truncateSync(join(newest, 'state.safetensors'), 1000)
    await refused(/state\.safetensors/)
    rmSync(newest, { recursive: true })
    const again = await run('damaged', { changes, resume: true })
    expect(comparable(again.records)).toEqual(comparable(whole.records))
  })
})
