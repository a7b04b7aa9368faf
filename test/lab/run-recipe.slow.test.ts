import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js'
import { readTensor } from '../../src/checkpoint/read.js'
import { newLayers, readProvenance } from '../../src/expansion/provenance.js'
import type { RunEvents } from '../../src/lab/run-events.js'
import type { RunModel } from '../../src/lab/run-model.js'
import { type RunOptions, runRecipe } from '../../src/lab/run-recipe.js'
import { layerOf } from '../../src/model/parameters.js'
import { readMetrics } from '../../src/train/metrics.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { Emitter } from '../../src/util/emitter.js'
import { temporaryDirectory } from '../support/temporary.js'
import { comparable, documents, writeBase, writeJsonl, writeTinyRun } from '../support/tiny-run.js'

/** What the run under way has built, so that a test can reach in and spoil it. */
let built: RunModel | null = null
vi.mock('../../src/lab/run-model.js', async original => {
  const real = await original<typeof import('../../src/lab/run-model.js')>()
  return {
    ...real,
    buildRunModel: async (...args: Parameters<typeof real.buildRunModel>) =>
      (built = await real.buildRunModel(...args)),
  }
})
afterEach(() => {
  built = null
})

const dir = temporaryDirectory('lab')
let recipe: Record<string, unknown>
beforeAll(async () => {
  recipe = await writeTinyRun(join(dir, 'data'), { steps: 5 })
})

function run(
  out: string,
  {
    changes = {},
    ...options
  }: { changes?: Record<string, unknown>; resume?: boolean; signal?: AbortSignal; events?: Emitter<RunEvents> } = {},
) {
  return runRecipe({ recipe: parseRecipe({ ...recipe, ...changes }), out: join(dir, out), threads: 1, ...options })
}

/** Bytes of every tensor of a model directory. */
async function tensorsOf(model: string): Promise<Map<string, string>> {
  const { tensors } = await openCheckpoint(model)
  const entries = [...tensors].map(async ([path, source]) => {
    return [path, Buffer.from(await readTensor(source)).toString('base64')] as const
  })
  return new Map(await Promise.all(entries))
}

describe('an expansion run', () => {
  it('leaves the bytes of every frozen tensor as they were, changes every trained one, and says so', async () => {
    const events = new Emitter<RunEvents>()
    const frozen: RunEvents['frozen'][] = []
    events.on('frozen', event => frozen.push(event))
    const result = await run('frozen', { events })
    const base = await tensorsOf(String(recipe['model']))
    const trained = await tensorsOf(result.modelDir!)
    const { config } = await openCheckpoint(result.modelDir!)
    const added = newLayers(readProvenance(config))
    expect([...added]).toEqual([1, 3])
    const sources = new Map([
      [0, 0],
      [2, 1],
    ])
    let equal = 0
    for (const [path, bytes] of trained) {
      const layer = layerOf(path)
      const isNew = layer !== null && added.has(layer)
      const source = layer === null || isNew ? path : path.replace(`layers.${layer}.`, `layers.${sources.get(layer)}.`)
      if (!isNew) {
        expect(bytes, path).toBe(base.get(source))
        equal++
      } else {
        const copied = base.get(path.replace(`layers.${layer}.`, `layers.${(layer - 1) / 2}.`))
        expect(bytes, path).not.toBe(copied)
      }
    }
    expect(frozen).toEqual([{ tensors: equal, equal: true }])
    expect(equal).toBe(base.size)
  })

  it('notices when a frozen tensor changes: the run fails and no model is saved', async () => {
    const events = new Emitter<RunEvents>()
    const frozen: boolean[] = []
    events.on('frozen', ({ equal }) => frozen.push(equal))
    events.on('record', record => {
      if (record.kind !== 'train' || record.step !== 3) return
      const parameter = built!.model.parameter('model.norm.weight')
      const values = new Float32Array(parameter.shape[0]!).fill(1)
      // the smallest change there is
      values[7] = 1 + 2 ** -23
      parameter.write(values)
    })
    await expect(run('spoiled', { events })).rejects.toMatchObject({ code: 'FROZEN_CHANGED' })
    expect(frozen).toEqual([false])
    expect(existsSync(join(dir, 'spoiled/model'))).toBe(false)
  })

  it('starts from no forgetting at all: nothing shifted, no divergence, blocks that add nothing', async () => {
    await run('start')
    const first = readMetrics(join(dir, 'start/metrics.jsonl')).filter(record => record.step === 0)
    expect(first.map(record => record.kind)).toEqual(['probe', 'contribution', 'contribution'])
    expect(first[0]).toMatchObject({
      klToBaseNats: 0,
      unshifted: 1,
      marginal: 0,
      shifted: 0,
      deltaNats: 0,
      deltaLow: 0,
      deltaHigh: 0,
    })
    expect(first.slice(1)).toMatchObject([
      { layer: 1, ratio: 0 },
      { layer: 3, ratio: 0 },
    ])
  })
})

describe('a run directory', () => {
  it('that holds a run is not used for another one', async () => {
    await run('used', { changes: { steps: 1 } })
    const before = readFileSync(join(dir, 'used/metrics.jsonl'), 'utf8')
    await expect(run('used', { changes: { steps: 1 } })).rejects.toMatchObject({ code: 'RUN_EXISTS' })
    expect(readFileSync(join(dir, 'used/metrics.jsonl'), 'utf8')).toBe(before)
  })

  it('is not continued under another recipe', async () => {
    await run('changed', { changes: { steps: 3 } })
    await expect(run('changed', { changes: { steps: 4 }, resume: true })).rejects.toMatchObject({
      code: 'RESUME',
      message: expect.stringContaining('another recipe'),
    })
    const again = await run('changed', { changes: { steps: 3 }, resume: true })
    expect(again).toMatchObject({ status: 'done', step: 3 })
  })

  it('goes on when the folder of data, base, recipe and run has moved', async () => {
    const here = join(dir, 'here')
    const world = await writeTinyRun(here, { steps: 5, checkpointEverySteps: 2 })
    const names = JSON.parse(JSON.stringify(world).replaceAll(`${here}/`, '')) as object
    const at = (baseDir: string, out: string, options: Partial<RunOptions> = {}) =>
      runRecipe({ recipe: parseRecipe(names, { baseDir }), out: join(baseDir, out), threads: 1, ...options })
    await at(here, 'unbroken')
    const stop = new AbortController()
    const events = new Emitter<RunEvents>()
    events.on('checkpoint', () => stop.abort())
    expect(await at(here, 'run', { signal: stop.signal, events })).toMatchObject({ status: 'interrupted' })
    const there = join(dir, 'far', 'away')
    mkdirSync(join(dir, 'far'))
    renameSync(here, there)
    expect(await at(there, 'run', { resume: true })).toMatchObject({ status: 'done', step: 5 })
    const recordsOf = (run: string) => comparable(readMetrics(join(there, run, 'metrics.jsonl')))
    expect(recordsOf('run')).toEqual(recordsOf('unbroken'))
  })

  it.each([
    ['base model', (world: string) => writeBase(join(world, 'base'), { seed: 2 })],
    ['training data', (world: string) => writeJsonl(join(world, 'one.jsonl'), documents(13, 'other'))],
    [
      'text in the files of its training data',
      (world: string) => {
        const path = join(world, 'one.jsonl')
        const text = readFileSync(path, 'utf8')
        writeFileSync(path, text.replace(/[a-z](?="})/, 'Q'))
        expect(readFileSync(path, 'utf8')).not.toBe(text)
      },
    ],
    ['text in its probes', (world: string) => writeJsonl(join(world, 'probe.jsonl'), documents(7, 'other'))],
  ])('is not continued with another %s at the same place', async (what, change) => {
    const world = join(dir, what.replaceAll(' ', '-'))
    const changed = await writeTinyRun(world, { steps: 1 })
    await run(`${what} run`, { changes: changed })
    if (what === 'base model') rmSync(join(world, 'base'), { recursive: true })
    await change(world)
    await expect(run(`${what} run`, { changes: changed, resume: true })).rejects.toMatchObject({
      code: 'RESUME',
      message: expect.stringContaining(`another ${what}`),
    })
  })

  it('of before files were sampled is continued', async () => {
    const world = await writeTinyRun(join(dir, 'old-run'), { steps: 1 })
    await run('old run', { changes: world })
    const path = join(dir, 'old run', 'run.json')
    const info = JSON.parse(readFileSync(path, 'utf8')) as { identity: { samples?: object } }
    expect(Object.keys(info.identity.samples!)).toHaveLength(2)
    delete info.identity.samples
    writeFileSync(path, JSON.stringify(info))
    expect(await run('old run', { changes: world, resume: true })).toMatchObject({ status: 'done', step: 1 })
  })

  it('tells what of the data was left out', async () => {
    const manifest = join(dir, 'bad-lines.jsonl')
    const good = documents(20, 'good').map(text => JSON.stringify({ text }))
    writeFileSync(manifest, ['not json', ...good].join('\n'))
    const data = { ...(recipe['data'] as object), sources: [{ manifest }], onBadDocument: 'skip' }
    const { sources } = await run('left out', { changes: { data } })
    expect(sources).toMatchObject([{ source: 'bad-lines.jsonl', badDocuments: { json: expect.any(Number) } }])
    const records = readMetrics(join(dir, 'left out', 'metrics.jsonl'))
    expect(records).toContainEqual(
      expect.objectContaining({ kind: 'event', name: 'left-out', step: 3, detail: { sources: expect.any(Array) } }),
    )
  })

  it('is written by one process at a time', async () => {
    const events = new Emitter<RunEvents>()
    let second: Promise<unknown> | null = null
    events.on('record', record => {
      if (record.kind === 'train' && record.step === 1)
        second = run('busy', { resume: true }).catch((error: unknown) => error)
    })
    await run('busy', { events, changes: { steps: 200, probeEverySteps: 200, checkpointEverySteps: 200 } })
    expect(await second).toMatchObject({
      code: 'RUN_BUSY',
      message: expect.stringContaining(`process ${process.pid}`),
    })
  })

  it('with a tokenizer file saves that tokenizer with the result', async () => {
    const tokenizer = join(String(recipe['model']), 'tokenizer.json')
    const result = await run('tokenizer-file', { changes: { steps: 1, tokenizer } })
    expect(readFileSync(join(result.modelDir!, 'tokenizer.json'))).toEqual(readFileSync(tokenizer))
  })

  it('resumed with --resume before it exists is just started', async () => {
    expect(await run('fresh', { resume: true })).toMatchObject({ status: 'done', step: 5 })
  })
})

describe('an interruption', () => {
  it('while the base is measured ends the run as interrupted, and a resume goes on from the start', async () => {
    const events = new Emitter<RunEvents>()
    const controller = new AbortController()
    events.on('status', ({ message }) => {
      if (message === 'measuring the base') controller.abort()
    })
    const result = await run('early', { events, signal: controller.signal })
    expect(result).toMatchObject({ status: 'interrupted', step: 0, modelDir: null, probes: [] })
    expect(await run('early', { resume: true })).toMatchObject({ status: 'done', step: 5 })
  })
})

describe('what cannot work', () => {
  it('rows longer than the context of the model', async () => {
    const data = { ...(recipe['data'] as object), seqLen: 65 }
    await expect(run('long', { changes: { data } })).rejects.toMatchObject({ code: 'CONTEXT' })
    expect(existsSync(join(dir, 'long'))).toBe(false)
  })

  it('a tokenizer with more ids than the embedding has rows', async () => {
    const small = await writeTinyRun(join(dir, 'small'), {}, { vocabSize: 4000 })
    await expect(run('vocabulary', { changes: { model: small['model'] } })).rejects.toMatchObject({
      code: 'VOCABULARY',
    })
  })

  it('a precision that the engine does not compute in', async () => {
    await expect(run('bf16', { changes: { precision: 'bf16' } })).rejects.toMatchObject({ code: 'PRECISION' })
  })

  it('a checkpoint whose metrics were deleted', async () => {
    await run('no-metrics', { changes: { steps: 3 } })
    rmSync(join(dir, 'no-metrics/metrics.jsonl'))
    await expect(run('no-metrics', { changes: { steps: 3 }, resume: true })).rejects.toMatchObject({
      code: 'METRICS_MISSING',
    })
  })
})

describe('full training', () => {
  it('measures against the base held beside it, and forgets by the numbers of that base', async () => {
    const changes = { method: 'full', expansion: undefined, steps: 4, probeEverySteps: 2, optimizer: { lr: 0.02 } }
    const result = await run('full', { changes })
    const probes = readMetrics(join(dir, 'full/metrics.jsonl')).filter(record => record.kind === 'probe')
    expect(probes.map(record => record.step)).toEqual([0, 2, 4])
    expect(probes[0]).toMatchObject({ klToBaseNats: 0, unshifted: 1 })
    expect(probes[2]!.klToBaseNats).toBeGreaterThan(1e-4)
    expect(result.probes).toHaveLength(1)
    expect(result.probes[0]).toMatchObject({
      bitsPerByteBefore: probes[0]!.bitsPerByte,
      bitsPerByteAfter: probes[2]!.bitsPerByte,
      deltaNats: probes[2]!.deltaNats,
    })
  })
})
