/** The training part of a run: programs, records, checkpoints, result. Model, data and engine are given. */
import { join } from 'node:path'
import type { Loader } from '../data/loader.js'
import type { LoaderState } from '../data/loader-state.js'
import { layerMap, layerMapText } from '../expansion/layer-map.js'
import { ForgettingMonitor } from '../forgetting/monitor.js'
import { trainableTable, trainableTableText } from '../freeze/trainable-table.js'
import { saveAdapter } from '../methods/save-adapter.js'
import type { Engine } from '../tensor/engine.js'
import { loadedMemory } from '../train/memory-estimate.js'
import { type EventRecord, readMetrics } from '../train/metrics.js'
import type { Recipe } from '../train/recipe.js'
import { adapterFolder, metricsFile, modelFolder, tidyRun } from '../train/run-directory.js'
import type { TrainStep } from '../train/step.js'
import { TensorBoardWriter, tensorboardFolder } from '../train/tensorboard.js'
import { type Measure, type Position, restoreCheckpoint, Trainer } from '../train/trainer.js'
import type { Emitter } from '../util/emitter.js'
import { LabError } from '../util/errors.js'
import { frozenDigest } from './frozen-digest.js'
import { quantizedText } from './frozen-storage.js'
import { baseName, beginRun, engineChange, findCheckpoint, openMetrics, runEngine } from './open-run.js'
import type { RunData } from './run-data.js'
import { type RunEvents, type RunResult, summarize } from './run-events.js'
import { type RunIdentity, runIdentity } from './run-identity.js'
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
  /** Bytes that the run may hold in all; default what is found to be free. It is refused when it needs more. */
  readonly memoryBytes?: number | undefined
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
  const { recipe, out, resume, memoryBytes, signal } = options
  const { engine, built, data, events } = parts
  const { model, trainable, frozen } = built
  describeModel(built, events)
  checkFit(built, data, recipe)
  // answered when all weights are loaded
  const loaded = loadedMemory(await engine.memory(), process.memoryUsage.rss())
  const before = await frozenDigest(model, frozen, signal)
  const identity = await runIdentity(recipe, built, data, { frozen: before, signal })
  const checkpoint = resume ? await findCheckpoint(out, identity) : null
  const evaluator = evaluatorOf(recipe, built)
  const step = await makeStep(recipe, built, evaluator, { events, loaded, memoryBytes })
  let loader: Loader | null = null
  try {
    const state = checkpoint?.state.data
    loader = data.openLoader(state)
    events.emit('engine', { description: engine.description })
    // only now: a run that is refused leaves nothing behind
    openRun(options, parts, { identity, isContinued: checkpoint !== null })
    events.emit('status', { message: 'measuring the base' })
    const startEvaluator = startEvaluatorOf(recipe, built)
    const monitor = new ForgettingMonitor(evaluator, data.probes, { start: startEvaluator })
    try {
      await monitor.setBaseline(signal)
    } catch (error) {
      if (!signal?.aborted) throw error
      const { step: done, tokens, seconds } = checkpoint?.state ?? start
      const nothing = { modelDir: null, probes: [], sources: [] }
      return { status: 'interrupted', step: done, tokens, seconds, steps: recipe.steps, ...nothing }
    } finally {
      startEvaluator?.dispose()
    }
    const recipeHash = identity.recipe
    const from = checkpoint ? await restoreCheckpoint(checkpoint, { model, step, trainable, recipeHash }) : start
    // the loader has checked it
    const loaderState = (state ?? null) as LoaderState | null
    const begun = { step, monitor, recipeHash, from, loader, loaderState }
    const { status, ...position } = await runSteps(options, parts, begun)
    await checkFrozen(built, before, events)
    const modelDir = status === 'done' ? await saveTrained(options, parts) : null
    const probes = summarize(readMetrics(join(out, metricsFile)))
    return { status, ...position, steps: recipe.steps, modelDir, probes }
  } finally {
    await loader?.dispose()
    step.dispose()
    evaluator.dispose()
  }
}

/** Makes the run directory ready for the first step that is to come. */
function openRun(
  { recipe, out, resume, device }: TrainRunOptions,
  { engine, built, data, pinned, events }: RunParts,
  { identity, isContinued }: { identity: RunIdentity; isContinued: boolean },
): void {
  const now = runEngine(device, engine)
  if (resume) tidyRun(out, { keep: recipe.keepCheckpoints })
  const message = isContinued ? engineChange(out, now) : null
  if (message !== null) events.emit('warning', { message })
  if (!isContinued) beginRun(out, { resume }, { recipe, identity, engine: now, built, data, pinned })
}

/** What the steps of a run need, as far as it has been made for them. */
interface Begun {
  readonly step: TrainStep
  readonly monitor: ForgettingMonitor
  readonly recipeHash: string
  readonly from: Position
  readonly loader: Loader
  /** Where the loader begins; null for the start. */
  readonly loaderState: LoaderState | null
}

/** Trains from `from` to the last step, or to where the signal stops it. */
async function runSteps(
  { recipe, out, device, tensorboard = false, signal, beforeStep }: TrainRunOptions,
  { engine, built: { model, trainable }, events }: RunParts,
  { step, monitor, recipeHash, from, loader, loaderState }: Begun,
): Promise<Position & Pick<RunResult, 'status' | 'sources'>> {
  const metrics = openMetrics(out, from, runEngine(device, engine))
  let board: TensorBoardWriter | null = null
  try {
    // a resumed run notes that it was; whoever listens is told as of every other line
    if (metrics.last?.kind === 'event') events.emit('record', metrics.last)
    const measure: Measure = position => monitor.measure(position)
    const common = { model, step, trainable, recipe, recipeHash, loader, metrics, runDir: out, measure, from }
    const begin = loaderState ? { data: loaderState } : {}
    const trainer = new Trainer({ ...common, ...begin, ...(beforeStep ? { beforeStep } : {}) })
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
