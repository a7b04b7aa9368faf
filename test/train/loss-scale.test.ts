/** Dynamic loss scaling, on an engine that computes in f32: what it overflows at is 2^128 instead of 65504. */
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import type { Batch, Loader } from '../../src/data/loader.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { defaultLossScaling, firstLossScale, type LossScaling, nextLossScale } from '../../src/train/loss-scale.js'
import { type MetricRecord, MetricsWriter, readMetrics } from '../../src/train/metrics.js'
import { parseRecipe, type Recipe } from '../../src/train/recipe.js'
import { readCheckpoint } from '../../src/train/run-directory.js'
import { TrainStep } from '../../src/train/step.js'
import { type Position, restoreCheckpoint, Trainer } from '../../src/train/trainer.js'
import { temporaryDirectory } from '../support/temporary.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'

const dir = temporaryDirectory('loss-scale')
const engine = new OnnxEngine({ threads: 1 })
afterAll(() => engine.dispose())

/** Gradients of {@link stepOf}'s model times this are beyond f32, times a hundredth of it they are not. */
const TOO_LARGE = 2 ** 127

async function stepOf(lossScaling: LossScaling | null, gradAccumSteps = 1) {
  const model = tinyModel(engine)
  const head = model.parameter('lm_head.weight')
  head.write((await head.read()).map(x => 32 * x))
  const trainable = [...model.parameters.keys()].filter(path => path.includes('layers.1.'))
  const optimizer = { betas: [0.9, 0.95] as [number, number], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 }
  const step = new TrainStep(model, trainable, {
    microBatch: 2,
    seqLen: 6,
    gradAccumSteps,
    rematBlocks: false,
    optimizer,
    lossScaling,
  })
  /** Weights and moments. */
  const state = async () => {
    const variables = [...trainable.map(path => model.parameter(path)), ...step.state.values()]
    return Promise.all(variables.map(async variable => [...(await variable.read())]))
  }
  return { model, trainable, step, state }
}

const batchesOf = (n: number, count: number) => Array.from({ length: count }, (_, i) => tinyBatch(2, 6, 16, 10 * n + i))

describe('the loss scale', () => {
  it('halves when a step was skipped and doubles after enough that were not', () => {
    const scaling = { initial: 8, growthSteps: 2, max: 16 }
    const scales = (skips: string) => {
      let state = firstLossScale(scaling)
      return [...skips].map(skip => (state = nextLossScale(state, { isSkipped: skip === 'x', scaling })).scale)
    }
    expect(scales('....')).toEqual([8, 16, 16, 16])
    expect(scales('.x..')).toEqual([8, 4, 4, 8])
    expect(scales('xxxx')).toEqual([4, 2, 1, 1])
  })

  it('is a power of two within its bounds, and counts what was skipped, whatever happens', () => {
    const event = fc.array(fc.boolean(), { maxLength: 200 })
    fc.assert(
      fc.property(
        event,
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 1, max: 5 }),
        (skips, bits, growthSteps) => {
          const scaling = { initial: 2 ** bits, growthSteps, max: 2 ** 24 }
          const last = skips.reduce(
            (state, isSkipped) => nextLossScale(state, { isSkipped, scaling }),
            firstLossScale(scaling),
          )
          expect(Number.isInteger(Math.log2(last.scale))).toBe(true)
          expect(last.scale).toBeGreaterThanOrEqual(1)
          expect(last.scale).toBeLessThanOrEqual(Math.max(scaling.initial, scaling.max))
          expect(last.skippedSteps).toBe(skips.filter(Boolean).length)
          expect(last.goodSteps).toBeLessThan(growthSteps)
        },
      ),
    )
  })

  it('starts with a power of two', () => {
    for (const initial of [0, 3, 0.5, 2 ** 128, Number.NaN])
      expect(() => firstLossScale({ ...defaultLossScaling, initial })).toThrow(/expected a power of two/)
  })
})

describe.each([1, 2])('a step of %d micro-batches', count => {
  it('with a scale is the step without, bit for bit, as long as nothing overflows', async () => {
    const [scaled, plain] = [await stepOf(defaultLossScaling, count), await stepOf(null, count)]
    for (let n = 1; n <= 4; n++) {
      const [ours, theirs] = [
        await scaled.step.run(batchesOf(n, count), 0.01, n),
        await plain.step.run(batchesOf(n, count), 0.01, n),
      ]
      expect(ours).toEqual({ ...theirs, lossScale: 2 ** 16 })
      expect(theirs).toMatchObject({ lossScale: null, isSkipped: false })
    }
    expect(await scaled.state()).toEqual(await plain.state())
  })

  it('that overflows changes nothing but the scale, and leaves nothing in the next one', async () => {
    const [broken, whole] = [
      await stepOf({ ...defaultLossScaling, initial: TOO_LARGE }, count),
      await stepOf(defaultLossScaling, count),
    ]
    const before = await broken.state()
    const result = await broken.step.run(batchesOf(1, count), 0.01, 1)
    expect(result).toMatchObject({ isSkipped: true, lossScale: TOO_LARGE })
    expect(Number.isFinite(result.gradNorm)).toBe(false)
    expect(Number.isFinite(result.lossNats)).toBe(true)
    expect(await broken.state()).toEqual(before)
    expect(broken.step.lossScale).toEqual({ scale: TOO_LARGE / 2, goodSteps: 0, skippedSteps: 1 })
    // AdamW counts the next step as its first
    broken.step.restoreLossScale({ scale: 1024, goodSteps: 0, skippedSteps: 1 })
    const next = await broken.step.run(batchesOf(2, count), 0.01, 2)
    expect(next).toEqual({ ...(await whole.step.run(batchesOf(2, count), 0.01, 1)), lossScale: 1024 })
    expect(await broken.state()).toEqual(await whole.state())
  })
})

describe('a run with loss scaling', () => {
  const recipe: Recipe = parseRecipe({
    model: 'base',
    method: 'full',
    data: { sources: [{ manifest: 'x' }], seqLen: 6 },
    batch: { microBatch: 2 },
    optimizer: { lr: 0.01 },
    steps: 12,
    seed: 1,
    precision: 'f16',
    checkpointEverySteps: 3,
    keepCheckpoints: 10,
    probeEverySteps: 100,
  })

  /** A trainer in a directory of its own, which stops after the step that is named. */
  async function trainerOf(
    name: string,
    scaling: LossScaling | null,
    { from, stopAt }: { from?: Position; stopAt?: number } = {},
  ) {
    const parts = await stepOf(scaling)
    const runDir = join(dir, name)
    const path = `${runDir}.jsonl`
    let n = from?.step ?? 0
    const next = async () => ({ ...tinyBatch(2, 6, 16, n++), mix: {}, state: { n, sources: [] } }) as unknown as Batch
    const loader = { next } as unknown as Loader
    const metrics = from ? MetricsWriter.resumeAt(path, from.step) : MetricsWriter.create(path)
    const measure = async () => []
    const options = {
      ...parts,
      recipe,
      recipeHash: 'hash',
      loader,
      metrics,
      runDir,
      measure,
      ...(from ? { from } : {}),
    }
    const trainer = new Trainer(options)
    const control = new AbortController()
    trainer.events.on('record', ({ kind, step }) => {
      if (kind === 'train' && step === stopAt) control.abort()
    })
    return { ...options, trainer, run: () => trainer.run(control.signal), records: () => readMetrics(path) }
  }

  /** Overflows at first, then doubles until it does so again. */
  const restless: LossScaling = { initial: TOO_LARGE, growthSteps: 2, max: 2 ** 127 }

  it('goes on after steps that overflow, and records them and every scale', async () => {
    const { run, records, step } = await trainerOf('restless', restless)
    expect(await run()).toBe('done')
    const scales = records().flatMap(r => (r.kind === 'train' ? [r.lossScale] : []))
    const overflows = records().flatMap(r => (r.kind === 'event' && r.name === 'overflow' ? [r] : []))
    expect(scales.some((scale, i) => scale === 2 * scales[i - 1]!)).toBe(true)
    expect(scales).toHaveLength(12)
    expect(overflows.length).toBeGreaterThan(3)
    expect(overflows.length).toBe(step.lossScale!.skippedSteps)
    expect(overflows[0]).toMatchObject({ step: 1, detail: { lossScale: TOO_LARGE, nextLossScale: TOO_LARGE / 2 } })
    for (const { step: at, detail } of overflows.slice(0, -1)) expect(scales[at]).toBe(detail['nextLossScale'])
  })

  it.each([3, 5, 7])(
    'that was interrupted at step %d goes on exactly, scale and count of good steps included',
    async stopAt => {
      const unbroken = await trainerOf(`unbroken-${stopAt}`, restless)
      await unbroken.run()
      const first = await trainerOf(`broken-${stopAt}`, restless, { stopAt })
      expect(await first.run()).toBe('interrupted')
      const second = await trainerOf(`broken-${stopAt}`, restless, { from: first.trainer.position })
      const from = await restoreCheckpoint((await readCheckpoint(second.runDir))!, second)
      expect(from.step).toBe(stopAt)
      expect(second.step.lossScale).toEqual(first.step.lossScale)
      expect(await second.run()).toBe('done')
      expect(await second.state()).toEqual(await unbroken.state())
      expect(second.step.lossScale).toEqual(unbroken.step.lossScale)
      const comparable = (records: MetricRecord[]) =>
        records.map(record => ({ ...record, seconds: 0, rssBytes: 0, tokensPerSec: 0 }))
      expect(comparable(second.records())).toEqual(comparable(unbroken.records()))
    },
  )

  it('ends when not even the smallest scale helps, with the weights as they were and that on record', async () => {
    const { run, records, model, trainable, state, trainer } = await trainerOf('hopeless', {
      ...defaultLossScaling,
      initial: 4,
    })
    const parameter = model.parameter('model.embed_tokens.weight')
    expect(trainable).not.toContain('model.embed_tokens.weight')
    parameter.write((await parameter.read()).fill(Number.NaN))
    const before = await state()
    await expect(run()).rejects.toMatchObject({
      code: 'DIVERGED',
      message: expect.stringMatching(
        /^step 3: the loss is NaN and the gradient norm NaN even with the loss scale at 1, .* precision: f32/,
      ),
    })
    expect(await state()).toEqual(before)
    expect(records().filter(({ kind }) => kind === 'event')).toHaveLength(3)
    expect(trainer.position.step).toBe(3)
  })

  it('writes nothing of it when there is none', async () => {
    const { run, records, runDir } = await trainerOf('without', null)
    await run()
    expect(records().some(record => 'lossScale' in record)).toBe(false)
    expect((await readCheckpoint(runDir))!.state).not.toHaveProperty('lossScale')
  })

  it('does not go on from a checkpoint without a scale, nor the other way round', async () => {
    const { run, runDir } = await trainerOf('with', defaultLossScaling)
    await run()
    const checkpoint = (await readCheckpoint(runDir))!
    await expect(restoreCheckpoint(checkpoint, { ...(await stepOf(null)), recipeHash: 'hash' })).rejects.toMatchObject({
      code: 'RESUME',
      message: expect.stringMatching(/made with loss scaling, the run goes on without it/),
    })
    const scaled = await stepOf(defaultLossScaling)
    expect(() => scaled.step.restoreLossScale(null)).toThrow(/made without loss scaling/)
  })
})
