import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Batch, Loader } from '../../src/data/loader.js'
import type { LoaderState } from '../../src/data/loader-state.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { expandModel } from '../../src/expansion/expand-model.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { newLayers, readProvenance } from '../../src/expansion/provenance.js'
import type { Model } from '../../src/model/model.js'
import { layerOf } from '../../src/model/parameters.js'
import { sizeOf } from '../../src/tensor/shape.js'
import { MetricsWriter, readMetrics } from '../../src/train/metrics.js'
import { parseRecipe, type Recipe } from '../../src/train/recipe.js'
import { checkpointSteps, readCheckpoint } from '../../src/train/run-directory.js'
import { TrainStep } from '../../src/train/step.js'
import { restoreCheckpoint, Trainer, type TrainerOptions } from '../../src/train/trainer.js'
import { temporaryDirectory } from '../support/temporary.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'

const dir = temporaryDirectory('trainer')
const engine = new OnnxEngine({ threads: 1 })
afterAll(() => engine.dispose())

function recipeOf(changes: Record<string, unknown> = {}): Recipe {
  return parseRecipe({
    model: 'base',
    method: 'expansion',
    expansion: { groups: 2 },
    data: { sources: [{ manifest: 'x' }], seqLen: 6 },
    batch: { microBatch: 2 },
    optimizer: { lr: 0.01 },
    steps: 6,
    seed: 1,
    checkpointEverySteps: 2,
    probeEverySteps: 3,
    ...changes,
  })
}

/** Batches of random tokens; the state that travels with each is its number. */
function batches(): { loader: Loader; served: () => number } {
  let n = 0
  const next = async () => {
    n++
    return { ...tinyBatch(2, 6, 16, n), mix: { source: 12 * n }, state: { n, sources: [] } } as unknown as Batch
  }
  return { loader: { next, report: () => [] } as unknown as Loader, served: () => n }
}

interface Setup extends TrainerOptions {
  trainer: Trainer
  served: () => number
}

async function setUp(name: string, changes: Record<string, unknown> = {}): Promise<Setup> {
  const base = tinyModel(engine)
  const recipe = recipeOf(changes)
  const model = await expandModel(base, planExpansion(base.config, { groups: 2 }))
  const added = newLayers(readProvenance(model.config))
  const trainable = [...model.parameters.keys()].filter(path => added.has(layerOf(path) ?? -1))
  const { optimizer, batch, data } = recipe
  const step = new TrainStep(model, trainable, { ...batch, seqLen: data.seqLen, optimizer, rematBlocks: false })
  const runDir = join(dir, name)
  const metrics = MetricsWriter.create(`${runDir}.jsonl`)
  const { loader, served } = batches()
  const measure: TrainerOptions['measure'] = async position => [
    { kind: 'event', ...position, name: 'measured', detail: {} },
  ]
  const options = { model, step, trainable, recipe, recipeHash: 'hash', loader, metrics, runDir, measure }
  return { ...options, trainer: new Trainer(options), served }
}

async function weightsOf(model: Model, paths: readonly string[]): Promise<number[][]> {
  return Promise.all(paths.map(async path => [...(await model.parameter(path).read())]))
}

describe('the trainer', () => {
  it('probes before the first step, on schedule and after the last; checkpoints on schedule and at the end', async () => {
    const { trainer, metrics, runDir, served } = await setUp('schedule', { steps: 5 })
    const checkpoints: number[] = []
    trainer.events.on('checkpoint', ({ step }) => checkpoints.push(step))
    expect(await trainer.run()).toBe('done')
    const records = readMetrics(metrics.path)
    const steps = (kind: string) => records.filter(record => record.kind === kind).map(record => record.step)
    expect(steps('train')).toEqual([1, 2, 3, 4, 5])
    expect(steps('event')).toEqual([0, 3, 5])
    expect(checkpoints).toEqual([2, 4, 5])
    expect(checkpointSteps(runDir)).toEqual([4, 5])
    expect(served()).toBe(5)
    expect(trainer.position).toMatchObject({ step: 5, tokens: 5 * 12 })
    const state = JSON.parse(readFileSync(join(runDir, 'checkpoints/step-5/state.json'), 'utf8')) as object
    expect(state).toMatchObject({ version: 1, step: 5, tokens: 60, recipeHash: 'hash', data: { n: 5 } })
  })

  it('records what was trained: rate of the schedule, tokens, shares of the sources', async () => {
    const { trainer, metrics } = await setUp('records', { schedule: { warmupRatio: 0.5 }, steps: 4 })
    await trainer.run()
    const records = readMetrics(metrics.path).filter(record => record.kind === 'train')
    const lrs = records.map(record => record.lr)
    const byHand = [0.005, 0.01, 0.01, 0]
    for (const [i, lr] of lrs.entries()) expect(lr).toBeCloseTo(byHand[i]!, 12)
    expect(records.map(record => record.tokens)).toEqual([12, 24, 36, 48])
    expect(records.map(record => record.mix)).toEqual([12, 24, 36, 48].map(source => ({ source })))
    for (const record of records) {
      expect(record.rssBytes).toBeGreaterThan(1e7)
      expect(record.tokensPerSec).toBeGreaterThan(0)
    }
  })

  it('averages micro-batches: two of one row are one of two rows', async () => {
    const one = await setUp('one-batch', { batch: { microBatch: 2 } })
    const two = await setUp('two-batches', { batch: { microBatch: 1, gradAccumSteps: 2 } })
    const { inputIds, targets } = tinyBatch(2, 6)
    const halves = [0, 6].map(at => ({
      inputIds: inputIds.slice(at, at + 6),
      targets: targets.slice(at, at + 6),
    }))
    for (let n = 1; n <= 3; n++) {
      const whole = await one.step.run([{ inputIds, targets }], 0.01, n)
      const sum = await two.step.run(halves, 0.01, n)
      expect(sum.lossNats).toBeCloseTo(whole.lossNats, 5)
      expect(sum.gradNorm).toBeCloseTo(whole.gradNorm, 5)
    }
    const [a, b] = await Promise.all([one, two].map(({ model, trainable }) => weightsOf(model, trainable)))
    const worst = Math.max(...a!.flatMap((values, i) => values.map((x, j) => Math.abs(x - b![i]![j]!))))
    // Adam turns rounding noise in a small gradient into a part of lr
    expect(worst).toBeLessThan(0.003)
  })

  it('an accumulation that was aborted half-way leaves nothing in the next step', async () => {
    const changes = { batch: { microBatch: 2, gradAccumSteps: 2 } }
    const [whole, broken] = [await setUp('whole', changes), await setUp('broken', changes)]
    const [a, b, c] = [tinyBatch(2, 6, 16, 1), tinyBatch(2, 6, 16, 2), tinyBatch(2, 6, 16, 3)]
    const controller = new AbortController()
    const abortsOnRead = {
      targets: c.targets,
      get inputIds() {
        controller.abort()
        return c.inputIds
      },
    }
    await expect(broken.step.run([c, abortsOnRead], 0.01, 1, controller.signal)).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect(await broken.step.run([a, b], 0.01, 1)).toEqual(await whole.step.run([a, b], 0.01, 1))
    expect(await weightsOf(broken.model, broken.trainable)).toEqual(await weightsOf(whole.model, whole.trainable))
  })

  describe('when the run diverges', () => {
    /** Spoils a weight when the record of `step` is written; resolves to the weights of the checkpoint at step 2. */
    function spoil({ trainer, model, trainable }: Setup, step: number): Promise<number[][]> {
      const parameter = model.parameter(trainable[0]!)
      trainer.events.on('record', record => {
        if (record.kind !== 'train' || record.step !== step) return
        parameter.write(new Float32Array(sizeOf(parameter.shape)).fill(Number.NaN))
      })
      return new Promise(resolve =>
        trainer.events.on('checkpoint', event => {
          if (event.step === 2) resolve(weightsOf(model, trainable))
        }),
      )
    }

    it('stops at a loss that is not a number, with that loss on record and the last checkpoint in place', async () => {
      const setup = await setUp('diverged')
      const atCheckpoint = spoil(setup, 3)
      await expect(setup.trainer.run()).rejects.toMatchObject({
        code: 'DIVERGED',
        message: expect.stringMatching(/step 4: the loss is NaN/),
      })
      const last = readMetrics(setup.metrics.path).at(-1)
      expect(last).toMatchObject({ kind: 'train', step: 4, lossNats: Number.NaN })
      expect(checkpointSteps(setup.runDir)).toEqual([2])
      const restored = await restoreCheckpoint((await readCheckpoint(setup.runDir))!, setup)
      expect(restored.step).toBe(2)
      expect(await weightsOf(setup.model, setup.trainable)).toEqual(await atCheckpoint)
    })

    it('writes no checkpoint of weights that are not finite', async () => {
      const setup = await setUp('spoiled')
      void spoil(setup, 4)
      await expect(setup.trainer.run()).rejects.toMatchObject({
        code: 'DIVERGED',
        message: expect.stringMatching(/step 4: model\.layers\..* holds NaN/),
      })
      expect(checkpointSteps(setup.runDir)).toEqual([2])
    })
  })

  it('refuses a checkpoint of another recipe or of other parameters', async () => {
    const { trainer, model, runDir, step, trainable } = await setUp('refused', { steps: 2 })
    await trainer.run()
    const checkpoint = (await readCheckpoint(runDir))!
    const parts = { model, step, trainable, recipeHash: 'hash' }
    await expect(restoreCheckpoint(checkpoint, { ...parts, recipeHash: 'other' })).rejects.toMatchObject({
      code: 'RESUME',
      message: expect.stringMatching(/another recipe \(hash hash, this one is other\)/),
    })
    const more = ['model.norm.weight', ...trainable]
    await expect(restoreCheckpoint(checkpoint, { ...parts, trainable: more })).rejects.toMatchObject({
      code: 'RESUME',
      message: expect.stringMatching(/model\.norm\.weight is missing/),
    })
    await expect(restoreCheckpoint(checkpoint, parts)).resolves.toMatchObject({ step: 2, tokens: 24 })
  })

  it('aborted before the first step it does nothing; aborted later it ends the step and keeps it', async () => {
    const before = await setUp('aborted-before')
    expect(await before.trainer.run(AbortSignal.abort())).toBe('interrupted')
    expect(before.served()).toBe(0)
    expect(existsSync(join(before.runDir, 'checkpoints'))).toBe(false)

    const later = await setUp('aborted-later')
    const controller = new AbortController()
    later.trainer.events.on('record', record => {
      if (record.kind === 'train' && record.step === 3) controller.abort()
    })
    expect(await later.trainer.run(controller.signal)).toBe('interrupted')
    expect(checkpointSteps(later.runDir)).toEqual([2, 3])
  })

  it('aborted while it waits for data it gives that step up and keeps the ones before', async () => {
    const { trainer, loader, runDir } = await setUp('waiting')
    const controller = new AbortController()
    const next = loader.next.bind(loader)
    loader.next = async () => {
      if (trainer.position.step < 3) return next()
      controller.abort()
      return new Promise<never>(() => undefined)
    }
    expect(await trainer.run(controller.signal)).toBe('interrupted')
    expect(checkpointSteps(runDir)).toEqual([2, 3])
    expect((await readCheckpoint(runDir))!.state).toMatchObject({ step: 3, data: { n: 3 } })
  })

  it('keeps its steps when the data fail', async () => {
    const { trainer, loader, runDir } = await setUp('no-data')
    const next = loader.next.bind(loader)
    loader.next = () => (trainer.position.step < 3 ? next() : Promise.reject(new Error('the network is gone')))
    await expect(trainer.run()).rejects.toThrow('the network is gone')
    expect((await readCheckpoint(runDir))!.state).toMatchObject({ step: 3, data: { n: 3 } })
  })

  it('records with a checkpoint what was left out since the one before, as of the batch that was used last', async () => {
    const one = await setUp('left-out', { steps: 8 })
    const counters = { documents: 9, excluded: 0, filtered: {}, badShards: {} }
    const badAt = (n: number) => ({ ...counters, badDocuments: n < 3 ? {} : { json: 2 } })
    const next = one.loader.next.bind(one.loader)
    one.loader.next = async () => {
      const batch = await next()
      const { n } = batch.state as unknown as { n: number }
      const shuffle = { start: { epoch: 0, counters }, counters: badAt(n) }
      return { ...batch, state: { n, sources: [{ name: 'a', shuffle }] } } as unknown as Batch
    }
    const recordsOf = () =>
      readMetrics(one.metrics.path).filter(({ kind, ...rest }) => 'name' in rest && rest.name === 'left-out')
    const control = new AbortController()
    one.trainer.events.on('checkpoint', ({ step }) => step === 6 && control.abort())
    await one.trainer.run(control.signal)
    const expected = [{ step: 4, detail: { sources: [{ source: 'a', epoch: 0, ...badAt(4) }] } }]
    expect(recordsOf()).toMatchObject(expected)
    // a run that goes on knows what was recorded
    const { state } = (await readCheckpoint(one.runDir))!
    const { step, tokens, seconds } = state
    const again = new Trainer({ ...one, from: { step, tokens, seconds }, data: state.data as LoaderState })
    expect(await again.run()).toBe('done')
    expect(recordsOf()).toMatchObject(expected)
  })

  it('aborted in its last step it is done', async () => {
    const { trainer, runDir } = await setUp('aborted-last')
    const controller = new AbortController()
    trainer.events.on('record', record => {
      if (record.kind === 'train' && record.step === 6) controller.abort()
    })
    expect(await trainer.run(controller.signal)).toBe('done')
    expect(checkpointSteps(runDir)).toEqual([4, 6])
  })
})
