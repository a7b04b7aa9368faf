/** The training part of a run: programs, records, checkpoints, result. Model, data and engine are given. */
import { existsSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Loader } from '../data/loader.js'
import { layerMap, layerMapText } from '../expansion/layer-map.js'
import { readProvenance } from '../expansion/provenance.js'
import { ForgettingMonitor } from '../forgetting/monitor.js'
import { trainableTable, trainableTableText } from '../freeze/trainable-table.js'
import { saveAdapter } from '../methods/save-adapter.js'
import type { Engine } from '../tensor/engine.js'
import { loadedMemory } from '../train/memory-estimate.js'
import { type EventRecord, MetricsWriter, readMetrics } from '../train/metrics.js'
import type { Recipe } from '../train/recipe.js'
import {
  adapterFolder,
  createRun,
  type LoadedCheckpoint,
  metricsFile,
  modelFolder,
  readCheckpoint,
  readRun,
  tidyRun,
} from '../train/run-directory.js'
import type { TrainStep } from '../train/step.js'
import { TensorBoardWriter, tensorboardFolder } from '../train/tensorboard.js'
import { type Measure, type Position, restoreCheckpoint, Trainer } from '../train/trainer.js'
import type { Emitter } from '../util/emitter.js'
import { LabError } from '../util/errors.js'
import { packageVersion } from '../util/package.js'
import { frozenDigest } from './frozen-digest.js'
import { quantizedText } from './frozen-storage.js'
import type { RunData } from './run-data.js'
import { type RunEvents, type RunResult, summarize } from './run-events.js'
import { checkIdentity, type RunIdentity, runIdentity } from './run-identity.js'
import type { RunModel } from './run-model.js'
import { evaluatorOf, makeStep, startEvaluatorOf } from './run-step.js'
import { saveResult } from './save-result.js'

/** What the run is to do; the rest is in its recipe. */
export interface TrainRunOptions {
  readonly recipe: Recipe
  /** Run directory, held by the caller. */
  readonly out: string
  /** Continue from the newest checkpoint. */
  readonly resume: boolean
  readonly device: string
  /** Write TensorBoard event files beside the metrics (default false). */
  readonly tensorboard?: boolean
  /** When it aborts, the current step ends, a checkpoint is written and the result says `interrupted`. */
  readonly signal?: AbortSignal
  /** Awaited before every step: a pause is a promise that is not yet fulfilled. */
  readonly beforeStep?: () => Promise<void>
}

/** What a run works with. All of it stays the caller's. */
export interface RunParts {
  readonly engine: Engine
  readonly built: RunModel
  readonly data: RunData
  readonly pinned: string | null
  readonly tokenizerPath: string
  readonly events: Emitter<RunEvents>
}

const start: Position = { step: 0, tokens: 0, seconds: 0 }

/** Trains a built model by its recipe, and writes the run directory. */
export async function trainRun(options: TrainRunOptions, parts: RunParts): Promise<RunResult> {
  const { recipe, out, resume, signal } = options
  const { engine, built, data, events } = parts
  const { model, trainable, frozen } = built
  describeModel(built, events)
  checkFit(built, data, recipe)
  // answered when all weights are loaded
  const loaded = loadedMemory(await engine.memory(), process.memoryUsage.rss())
  const before = await frozenDigest(model, frozen)
  const identity = await runIdentity(recipe, built, data, before)
  const checkpoint = openRun(options, parts, identity, resume ? await readCheckpoint(out) : null)
  const evaluator = evaluatorOf(recipe, built)
  const step = await makeStep(recipe, built, evaluator, { events, loaded })
  try {
    events.emit('engine', { description: engine.description })
    events.emit('status', { message: 'measuring the base' })
    const monitor = new ForgettingMonitor(evaluator, data.probes, { start: startEvaluatorOf(recipe, built) })
    try {
      await monitor.setBaseline(signal)
    } catch (error) {
      if (!signal?.aborted) throw error
      const { step: done, tokens, seconds } = checkpoint?.state ?? start
      const nothing = { modelDir: null, probes: [], sources: [] }
      return { status: 'interrupted', step: done, tokens, seconds, steps: recipe.steps, ...nothing }
    }
    const recipeHash = identity.recipe
    const from = checkpoint ? await restoreCheckpoint(checkpoint, { model, step, trainable, recipeHash }) : start
    const begun = { step, monitor, recipeHash, from, dataState: checkpoint?.state.data }
    const { status, ...position } = await runSteps(options, parts, begun)
    await checkFrozen(built, before, events)
    const modelDir = status === 'done' ? await saveTrained(options, parts) : null
    const probes = summarize(readMetrics(join(out, metricsFile)))
    return { status, ...position, steps: recipe.steps, modelDir, probes }
  } finally {
    step.dispose()
  }
}

/** What the steps of a run need, as far as it has been made for them. */
interface Begun {
  readonly step: TrainStep
  readonly monitor: ForgettingMonitor
  readonly recipeHash: string
  readonly from: Position
  /** State of the data stream in the checkpoint; undefined at the start. */
  readonly dataState: unknown
}

/** Trains from `from` to the last step, or to where the signal stops it. */
async function runSteps(
  { recipe, out, resume, tensorboard = false, signal, beforeStep }: TrainRunOptions,
  { built: { model, trainable }, data, events }: RunParts,
  { step, monitor, recipeHash, from, dataState }: Begun,
): Promise<Position & Pick<RunResult, 'status' | 'sources'>> {
  const metrics = openMetrics(out, resume, from)
  let loader: Loader | null = null
  let board: TensorBoardWriter | null = null
  try {
    // a resumed run notes that it was; whoever listens is told as of every other line
    if (metrics.last?.kind === 'event') events.emit('record', metrics.last)
    loader = data.openLoader(dataState)
    const measure: Measure = position => monitor.measure(position)
    const common = { model, step, trainable, recipe, recipeHash, loader, metrics, runDir: out, measure, from }
    const trainer = new Trainer({ ...common, ...(beforeStep ? { beforeStep } : {}) })
    board = tensorboard ? new TensorBoardWriter(join(out, tensorboardFolder), { step: from.step }) : null
    trainer.events.on('record', record => {
      board?.write(record)
      events.emit('record', record)
      if (record.kind === 'event' && record.name === 'overflow')
        events.emit('warning', { message: overflowText(record) })
    })
    trainer.events.on('checkpoint', event => events.emit('checkpoint', event))
    events.emit('status', { message: 'training' })
    const status = await trainer.run(signal)
    return { status, ...trainer.position, sources: loader.report() }
  } finally {
    await loader?.dispose()
    metrics.close()
    board?.close()
  }
}

function overflowText({ step, detail }: EventRecord): string {
  return `step ${step}: a gradient overflowed f16, so nothing was updated; the loss scale is now ${detail['nextLossScale']}`
}

/** @throws LabError FROZEN_CHANGED when a frozen tensor has another byte than before */
async function checkFrozen({ model, frozen }: RunModel, before: string, events: Emitter<RunEvents>): Promise<void> {
  const equal = (await frozenDigest(model, frozen)) === before
  events.emit('frozen', { tensors: frozen.length, equal })
  if (equal) return
  throw new LabError('FROZEN_CHANGED', 'a frozen tensor has changed during the run; please report this with run.json')
}

/** Writes the trained model into the run directory, and a LoRA run's factors beside it; resolves to the model's path. */
async function saveTrained(
  { recipe, out }: TrainRunOptions,
  { built: { model }, tokenizerPath, pinned, events }: RunParts,
): Promise<string> {
  const dir = join(out, modelFolder)
  events.emit('status', { message: `saving the model to ${dir}` })
  const dtype = recipe.saveDtype === 'source' ? model.config.dtype : recipe.saveDtype
  await saveResult(dir, model, { companionsFrom: tokenizerPath, dtype })
  const { lora } = recipe
  if (lora) await saveAdapter(join(out, adapterFolder), model, { lora, base: baseName(recipe, pinned) })
  return dir
}

/** @throws LabError PRECISION for a recipe that wants other arithmetic than the engine's */
export function checkPrecision({ precision }: Recipe, { name, precision: given = 'f32' }: Engine): void {
  if (precision === given) return
  throw new LabError(
    'PRECISION',
    `the recipe has precision ${precision}, the ${name} engine computes in ${given}; set precision: ${given}, or start an engine with precision ${precision} (the torch devices have bf16, the webgpu devices f16)`,
  )
}

function describeModel({ model, trainable, warnings, quantized }: RunModel, events: Emitter<RunEvents>): void {
  const added = model.weights.adapter?.shapes
  events.emit('layerMap', { text: layerMapText(layerMap(model.config, { trainable, added })) })
  events.emit('trainable', { text: trainableTableText(trainableTable(model.config, trainable, { added })) })
  if (quantized.length > 0) events.emit('quantized', { text: quantizedText(quantized), weights: quantized })
  for (const message of warnings) events.emit('warning', { message })
}

/** Tokenizer and rows must be within what the model knows. */
function checkFit({ model }: RunModel, { tokenizer }: RunData, { data: { seqLen } }: Recipe): void {
  const { vocabSize, maxPositionEmbeddings } = model.config
  if (tokenizer.vocabSize > vocabSize) {
    throw new LabError(
      'VOCABULARY',
      `the tokenizer has ids up to ${tokenizer.vocabSize - 1}, the model's embedding only ${vocabSize} rows; they do not belong together`,
    )
  }
  if (seqLen > maxPositionEmbeddings) {
    throw new LabError(
      'CONTEXT',
      `data.seqLen is ${seqLen}, but the model has ${maxPositionEmbeddings} positions (max_position_embeddings); make seqLen smaller`,
    )
  }
}

/** Creates the run directory, or checks that it is continued with what it was started with. */
function openRun(
  { recipe, out, resume, device }: TrainRunOptions,
  { engine, built, data, pinned }: RunParts,
  identity: RunIdentity,
  checkpoint: LoadedCheckpoint | null,
): LoadedCheckpoint | null {
  if (resume && existsSync(join(out, 'run.json'))) {
    checkIdentity(out, readRun(out)['identity'], identity)
    tidyRun(out, { keep: recipe.keepCheckpoints })
    return checkpoint
  }
  const versions = { llamaProLab: packageVersion(), node: process.version, engine: engine.name }
  createRun(out, {
    version: 1,
    name: recipe.name,
    recipe,
    identity,
    versions,
    device,
    seed: recipe.seed,
    model: baseName(recipe, pinned),
    provenance: readProvenance(built.model.config),
    trainable: built.trainable,
    layerMap: layerMap(built.model.config, { trainable: built.trainable, added: built.model.weights.adapter?.shapes }),
    quantized: built.quantized,
    sources: data.sources,
    probes: data.probes.map(({ name, documents, tokensScored, bytesScored }) => ({
      name,
      documents,
      tokensScored,
      bytesScored,
    })),
  })
  return null
}

/** The directory of the base, or its address on the hub with the commit; null for a run from random weights. */
function baseName({ model }: Recipe, pinned: string | null): string | null {
  return pinned ?? (model === undefined ? null : resolve(model))
}

function openMetrics(out: string, resume: boolean, from: Position): MetricsWriter {
  const path = join(out, metricsFile)
  // without a checkpoint the run begins again, and so do its records
  if (resume && from.step === 0) rmSync(path, { force: true })
  if (!resume || from.step === 0) return MetricsWriter.create(path)
  const metrics = MetricsWriter.resumeAt(path, from.step)
  metrics.write({ kind: 'event', ...from, name: 'resumed', detail: {} })
  return metrics
}
