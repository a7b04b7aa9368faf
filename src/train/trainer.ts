/** The loop of a run: batches in, optimizer steps, records and checkpoints out. Continues exactly where a checkpoint was made. */

import { setImmediate } from 'node:timers/promises'
import type { TensorEntry } from '../checkpoint/write.js'
import { leftOutText, reportAt } from '../data/left-out.js'
import type { Batch, Loader } from '../data/loader.js'
import type { LoaderState } from '../data/loader-state.js'
import type { Model } from '../model/model.js'
import type { HostArray } from '../tensor/dtype.js'
import { Emitter } from '../util/emitter.js'
import { LabError } from '../util/errors.js'
import { untilAborted } from '../util/until-aborted.js'
import { MIN_LOSS_SCALE } from './loss-scale.js'
import type { MetricInput, MetricRecord } from './metric-record.js'
import type { MetricsWriter } from './metrics.js'
import type { Recipe } from './recipe.js'
import { type CheckpointState, type LoadedCheckpoint, writeCheckpoint } from './run-directory.js'
import { lrFactor } from './schedule.js'
import type { StepResult, TrainStep } from './step.js'

/** Where a run stands. */
export interface Position {
  /** Optimizer steps done. */
  step: number
  /** Training tokens seen. */
  tokens: number
  /** Seconds since the run started, pauses between resumes left out. */
  seconds: number
}

/** Measures at a position; its records are written into the metrics. */
export type Measure = (position: Position, signal?: AbortSignal) => Promise<MetricInput[]>

export interface TrainerEvents {
  /** Every line of metrics.jsonl, as it is written. */
  record: MetricRecord
  checkpoint: { step: number }
}

export interface TrainerOptions {
  model: Model
  step: TrainStep
  trainable: readonly string[]
  recipe: Recipe
  recipeHash: string
  loader: Loader
  metrics: MetricsWriter
  runDir: string
  /** Called before the first step, every `probeEverySteps` and after the last step. */
  measure: Measure
  /** Awaited before every step, its time not counted: how a front pauses a run. */
  beforeStep?: () => Promise<void>
  /** Go on from here (restored by {@link restoreCheckpoint}). */
  from?: Position
  /** The state of the loader there. */
  data?: LoaderState
}

/** Runs a recipe's steps. Owns nothing: model, step, loader and metrics are the caller's. */
export class Trainer {
  readonly events = new Emitter<TrainerEvents>()
  readonly #options: TrainerOptions
  readonly #position: Position
  #lastData: LoaderState | null
  /** What the newest record of it says. */
  #leftOut: string
  /** The step that the newest checkpoint holds. */
  #saved: number

  constructor(options: TrainerOptions) {
    this.#options = options
    this.#position = { ...(options.from ?? { step: 0, tokens: 0, seconds: 0 }) }
    this.#saved = this.#position.step
    this.#lastData = options.data ?? null
    this.#leftOut = leftOutOf(this.#lastData)
  }

  get position(): Readonly<Position> {
    return this.#position
  }

  /**
   * Trains to the last step. When the signal aborts, the current step ends (one that waits for data is given up), a checkpoint
   * is written, and `interrupted` returned; before the first step there is nothing to write. It is written too when the data fail.
   */
  async run(signal?: AbortSignal): Promise<'done' | 'interrupted'> {
    const { recipe } = this.#options
    const position = this.#position
    if (position.step === 0 && this.#options.metrics.last === null) await this.#measure()
    while (position.step < recipe.steps) {
      await this.#options.beforeStep?.()
      const started = performance.now()
      const batches = signal?.aborted ? null : await this.#batches(signal)
      if (batches === null) {
        await this.#saveSteps()
        return 'interrupted'
      }
      await this.#step(batches, started)
      const isLast = position.step === recipe.steps
      if (isLast || position.step % recipe.probeEverySteps === 0) await this.#measure()
      const stop = signal?.aborted === true
      if (isLast || stop || position.step % recipe.checkpointEverySteps === 0) await this.#checkpoint()
      if (stop && !isLast) return 'interrupted'
    }
    return 'done'
  }

  /** The batches of the next step; null when the signal aborts while they are waited for, which may be long on a bad network. */
  async #batches(signal: AbortSignal | undefined): Promise<Batch[] | null> {
    const { recipe, loader } = this.#options
    const batches: Batch[] = []
    try {
      while (batches.length < recipe.batch.gradAccumSteps) batches.push(await untilAborted(loader.next(), signal))
      return batches
    } catch (error) {
      if (signal?.aborted) return null
      // the data failed and not the model: the steps up to here are good
      await this.#saveSteps()
      throw error
    }
  }

  /** @param started when the step began to wait for its batches */
  async #step(batches: readonly Batch[], started: number): Promise<void> {
    const { recipe, step } = this.#options
    const lr = recipe.optimizer.lr * lrFactor(recipe.schedule, this.#position.step, recipe.steps)
    const result = await step.run(batches, lr, this.#position.step + 1)
    const { lossNats, gradNorm, gradNorms, lossScale } = result
    const seconds = (performance.now() - started) / 1000
    const tokens = batches.reduce((n, batch) => n + batch.targets.length, 0)
    this.#position.step++
    this.#position.tokens += tokens
    this.#position.seconds += seconds
    const last = batches[batches.length - 1]!
    this.#lastData = last.state
    const rssBytes = process.memoryUsage.rss()
    if (recordsGradients(this.#position.step))
      this.#write({ kind: 'gradient', ...this.#position, norms: Object.fromEntries(gradNorms) })
    this.#write({
      kind: 'train',
      ...this.#position,
      lossNats,
      lr,
      gradNorm,
      tokensPerSec: tokens / seconds,
      rssBytes,
      mix: last.mix,
      ...(lossScale === null ? {} : { lossScale }),
    })
    this.#check(result)
  }

  /** Notes a step that loss scaling has skipped. @throws LabError DIVERGED when going on would not help */
  #check({ lossNats, gradNorm, lossScale, isSkipped }: StepResult): void {
    if (isSkipped) {
      const nextLossScale = this.#options.step.lossScale!.scale
      this.#write({ kind: 'event', ...this.#position, name: 'overflow', detail: { lossScale, nextLossScale } })
      if (lossScale !== MIN_LOSS_SCALE) return
      throw new LabError(
        'DIVERGED',
        `step ${this.#position.step}: the loss is ${lossNats} and the gradient norm ${gradNorm} even with the loss scale at ${MIN_LOSS_SCALE}, so the numbers of this model do not fit into f16; the last checkpoint is intact: train with precision: f32, or with bf16 on a torch device`,
      )
    }
    if (!Number.isFinite(lossNats) || !Number.isFinite(gradNorm)) {
      throw new LabError(
        'DIVERGED',
        `step ${this.#position.step}: the loss is ${lossNats} and the gradient norm ${gradNorm}; the last checkpoint is intact: lower optimizer.lr or raise schedule.warmupRatio`,
      )
    }
  }

  async #measure(): Promise<void> {
    const started = performance.now()
    for (const record of await this.#options.measure({ ...this.#position })) this.#write(record)
    this.#position.seconds += (performance.now() - started) / 1000
  }

  /** A checkpoint, unless the newest one holds all steps. */
  async #saveSteps(): Promise<void> {
    if (this.#saved !== this.#position.step) await this.#checkpoint()
  }

  /** Records what the sources have left out, when it is more than the last time. */
  #recordLeftOut(): void {
    const leftOut = leftOutOf(this.#lastData)
    if (leftOut === this.#leftOut || !this.#lastData) return
    const detail = { sources: reportAt(this.#lastData) }
    this.#write({ kind: 'event', ...this.#position, name: 'left-out', detail })
    this.#leftOut = leftOut
  }

  async #checkpoint(): Promise<void> {
    const { runDir, recipe, recipeHash, metrics, step } = this.#options
    const state: CheckpointState = {
      version: 1,
      ...this.#position,
      recipeHash,
      data: this.#lastData,
      ...(step.lossScale ? { lossScale: step.lossScale } : {}),
    }
    this.#recordLeftOut()
    metrics.sync()
    await writeCheckpoint(runDir, state, this.#tensors(), { keep: recipe.keepCheckpoints })
    this.#saved = this.#position.step
    this.events.emit('checkpoint', { step: this.#position.step })
  }

  /** Trained weights and moments, read from the device one at a time as they are written. */
  #tensors(): TensorEntry[] {
    const { model, trainable, step } = this.#options
    const variables = new Map([...trainable.map(path => [path, model.parameter(path)] as const), ...step.state])
    return [...variables].map(([name, variable]) => ({
      name,
      dtype: 'F32',
      shape: [...variable.shape],
      data: async () => {
        const values = await variable.read()
        await requireFinite(name, values, this.#position.step)
        return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
      },
    }))
  }

  #write(input: MetricInput): void {
    this.events.emit('record', this.#options.metrics.write(input))
  }
}

/** What was left out up to a position of the data, as text. */
function leftOutOf(data: LoaderState | null): string {
  return (data ? reportAt(data) : []).flatMap(source => leftOutText(source) ?? []).join('\n')
}

/** The first ten steps and every tenth after them: a record of all matrices is some kilobytes. */
function recordsGradients(step: number): boolean {
  return step <= 10 || step % 10 === 0
}

/** Elements looked at between two turns of the event loop: about a millisecond. */
const SLICE = 1 << 20

/** A run whose weights are spoiled must not push its good checkpoints out. @throws LabError DIVERGED */
async function requireFinite(name: string, values: HostArray, step: number): Promise<void> {
  for (let at = 0; at < values.length; at += SLICE) {
    if (at > 0) await setImmediate()
    const end = Math.min(values.length, at + SLICE)
    for (let i = at; i < end; i++) {
      if (Number.isFinite(values[i])) continue
      throw new LabError(
        'DIVERGED',
        `step ${step}: ${name} holds ${values[i]} after the update, so no checkpoint is written; the one before is intact: lower optimizer.lr or raise schedule.warmupRatio`,
      )
    }
  }
}

/**
 * Puts a checkpoint's weights and moments back on the device; returns where the run stands.
 * @throws LabError RESUME when the checkpoint is of another recipe or of other parameters, or only one of the two has loss scaling
 */
export async function restoreCheckpoint(
  checkpoint: LoadedCheckpoint,
  { model, step, trainable, recipeHash }: Pick<TrainerOptions, 'model' | 'step' | 'trainable' | 'recipeHash'>,
): Promise<Position> {
  const { state, names } = checkpoint
  if (state.recipeHash !== recipeHash) {
    throw new LabError(
      'RESUME',
      `the checkpoint at step ${state.step} was made by another recipe (hash ${state.recipeHash.slice(0, 12)}, this one is ${recipeHash.slice(0, 12)}); resume with the recipe of run.json, or start a new run`,
    )
  }
  const variables = new Map([...trainable.map(path => [path, model.parameter(path)] as const), ...step.state])
  const missing = [...variables.keys()].find(name => !names.includes(name))
  if (missing !== undefined || names.length !== variables.size) {
    throw new LabError(
      'RESUME',
      `the checkpoint at step ${state.step} holds ${names.length} tensors, expected ${variables.size}${missing ? `; ${missing} is missing` : ''}`,
    )
  }
  step.restoreLossScale(state.lossScale ?? null)
  for (const [name, variable] of variables) variable.write(await checkpoint.read(name))
  return { step: state.step, tokens: state.tokens, seconds: state.seconds }
}
