/** A recipe from beginning to end: model, data, probes, training, result. What `llama-pro train` and the lab's fronts run. */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { isHubAddress } from '../checkpoint/hub-address.js'
import { resolveModel } from '../checkpoint/hub-download.js'
import type { LoaderEvents } from '../data/loader.js'
import { layerMap, layerMapText } from '../expansion/layer-map.js'
import { readProvenance } from '../expansion/provenance.js'
import { Evaluator } from '../forgetting/evaluator.js'
import { ForgettingMonitor } from '../forgetting/monitor.js'
import { gatedReference, modelReference } from '../forgetting/reference.js'
import { trainableTable, trainableTableText } from '../freeze/trainable-table.js'
import type { Engine } from '../tensor/engine.js'
import { availableMemoryBytes, checkMemory, estimateMemory, memoryText } from '../train/memory-estimate.js'
import type { MetricRecord, ProbeRecord } from '../train/metric-record.js'
import { MetricsWriter, readMetrics } from '../train/metrics.js'
import type { Recipe } from '../train/recipe.js'
import {
  checkNoRun,
  createRun,
  type LoadedCheckpoint,
  metricsFile,
  modelFolder,
  readCheckpoint,
  readRun,
  tidyRun,
} from '../train/run-directory.js'
import { TrainStep } from '../train/step.js'
import { type Position, restoreCheckpoint, Trainer } from '../train/trainer.js'
import { sha256 } from '../util/canonical-json.js'
import { Emitter } from '../util/emitter.js'
import { LabError } from '../util/errors.js'
import { formatDuration } from '../util/format.js'
import { withPidLock } from '../util/pid-lock.js'
import { createEngine } from './engines.js'
import { frozenDigest } from './frozen-digest.js'
import { openRunData, type RunData } from './run-data.js'
import { buildRunModel, type RunModel } from './run-model.js'
import { saveResult } from './save-result.js'

/** What a run tells while it goes on; a front decides what to show. */
export interface RunEvents {
  /** One line: what is being done. */
  status: { message: string }
  engine: { description: string }
  /** The recipe with all defaults, as a value and as YAML. */
  resolved: { recipe: Recipe; yaml: string }
  layerMap: { text: string }
  trainable: { text: string }
  memory: { text: string; needBytes: number; availableBytes: number }
  warning: { message: string }
  /** Every line of metrics.jsonl as it is written. */
  record: MetricRecord
  checkpoint: { step: number }
  /** The bytes of all frozen tensors before and after the run. */
  frozen: { tensors: number; equal: boolean }
}

export interface RunOptions {
  recipe: Recipe
  /** Run directory; must not hold a run unless `resume` is set. */
  out: string
  /** Continue from the newest checkpoint (default false). */
  resume?: boolean
  device?: string
  threads?: number
  /** When it aborts, the current step ends, a checkpoint is written and the result says `interrupted`. */
  signal?: AbortSignal
  events?: Emitter<RunEvents>
}

export interface RunResult {
  readonly status: 'done' | 'interrupted'
  readonly step: number
  readonly steps: number
  readonly tokens: number
  readonly seconds: number
  /** The trained model as a Hugging Face directory; null when interrupted. */
  readonly modelDir: string | null
  readonly probes: readonly ProbeSummary[]
}

export interface ProbeSummary {
  readonly probe: string
  readonly bitsPerByteBefore: number
  readonly bitsPerByteAfter: number
  /** Change of the loss in nats per token since step 0, with its 95 % band. */
  readonly deltaNats: number
  readonly deltaLow: number
  readonly deltaHigh: number
}

/** Runs a recipe. Everything it starts is stopped again, however it ends. */
export async function runRecipe(options: RunOptions): Promise<RunResult> {
  const { recipe, out, resume = false, device, threads, events = new Emitter<RunEvents>() } = options
  if (recipe.precision !== 'f32') {
    throw new LabError(
      'PRECISION',
      `precision ${recipe.precision} is not supported on ${device ?? 'cpu'}; set precision: f32`,
    )
  }
  return holdingRun(out, async () => {
    if (!resume) checkNoRun(out)
    events.emit('resolved', { recipe, yaml: stringify(recipe) })
    const engine = createEngine(device, threads === undefined ? {} : { threads })
    let data: RunData | null = null
    try {
      events.emit('status', { message: 'opening probes and data' })
      const where = await modelDirectory(recipe)
      const tokenizerPath = recipe.tokenizer ?? where.dir!
      data = await openRunData(recipe, tokenizerPath, loaderEvents(events))
      events.emit('status', { message: 'loading the model' })
      const built = await buildRunModel(recipe, where.dir, engine, data.tokenizer)
      describeModel(built, events)
      checkFit(built, data, recipe)
      return await train(options, { engine, built, data, pinned: where.pinned, tokenizerPath, events })
    } finally {
      await data?.dispose()
      await engine.dispose()
    }
  })
}

/** Two processes that write to one run would destroy it. @throws LabError RUN_BUSY when another one is at it */
async function holdingRun<T>(out: string, work: () => Promise<T>): Promise<T> {
  const busy = new AbortController()
  const onWait = (holder: { pid: number; host: string } | null) =>
    busy.abort(
      new LabError(
        'RUN_BUSY',
        `${out} is being written by ${holder ? `process ${holder.pid} on ${holder.host}` : 'another process'}; wait for it to end, or choose another --out`,
      ),
    )
  try {
    return await withPidLock(join(out, '.lock'), work, { signal: busy.signal, onWait })
  } catch (error) {
    removeIfEmpty(out)
    throw error
  }
}

/** A run that never began leaves no directory behind. */
function removeIfEmpty(dir: string): void {
  if (existsSync(dir) && readdirSync(dir).length === 0) rmdirSync(dir)
}

interface Parts {
  readonly engine: Engine
  readonly built: RunModel
  readonly data: RunData
  readonly pinned: string | null
  readonly tokenizerPath: string
  readonly events: Emitter<RunEvents>
}

const start: Position = { step: 0, tokens: 0, seconds: 0 }

async function train(options: RunOptions, parts: Parts): Promise<RunResult> {
  const { recipe, out, resume = false, signal } = options
  const { engine, built, data, tokenizerPath, events } = parts
  const { model, trainable, frozen } = built
  const recipeHash = sha256(recipe)
  const checkpoint = openRun(options, parts, recipeHash, resume ? await readCheckpoint(out) : null)
  const evaluator = evaluatorOf(recipe, built)
  const step = await makeStep(recipe, built, evaluator, events)
  events.emit('engine', { description: engine.description })
  events.emit('status', { message: 'measuring the base' })
  const monitor = new ForgettingMonitor(evaluator, data.probes)
  try {
    await monitor.setBaseline(signal)
  } catch (error) {
    if (!signal?.aborted) throw error
    step.dispose()
    const { step: done, tokens, seconds } = checkpoint?.state ?? start
    return { status: 'interrupted', step: done, tokens, seconds, steps: recipe.steps, modelDir: null, probes: [] }
  }
  const before = await frozenDigest(model, frozen)
  const from = checkpoint ? await restoreCheckpoint(checkpoint, { model, step, trainable, recipeHash }) : start
  const metrics = openMetrics(out, resume, from)
  const loader = data.openLoader(checkpoint?.state.data)
  const trainer = new Trainer({
    model,
    step,
    trainable,
    recipe,
    recipeHash,
    loader,
    metrics,
    runDir: out,
    measure: p => monitor.measure(p, undefined),
    from,
  })
  trainer.events.on('record', record => events.emit('record', record))
  trainer.events.on('checkpoint', event => events.emit('checkpoint', event))
  try {
    events.emit('status', { message: 'training' })
    const status = await trainer.run(signal)
    const equal = (await frozenDigest(model, frozen)) === before
    events.emit('frozen', { tensors: frozen.length, equal })
    if (!equal)
      throw new LabError(
        'FROZEN_CHANGED',
        'a frozen tensor has changed during the run; please report this with run.json',
      )
    const modelDir = status === 'done' ? join(out, modelFolder) : null
    if (modelDir) {
      events.emit('status', { message: `saving the model to ${modelDir}` })
      const dtype = recipe.saveDtype === 'source' ? model.config.dtype : recipe.saveDtype
      await saveResult(modelDir, model, { companionsFrom: tokenizerPath, dtype })
    }
    return {
      status,
      ...trainer.position,
      steps: recipe.steps,
      modelDir,
      probes: summarize(readMetrics(join(out, metricsFile))),
    }
  } finally {
    await loader.dispose()
    metrics.close()
    step.dispose()
  }
}

/** The base's directory, downloaded first where it is on the hub, and the address pinned to its commit. */
async function modelDirectory({ model }: Recipe): Promise<{ dir: string | null; pinned: string | null }> {
  if (model === undefined) return { dir: null, pinned: null }
  if (!isHubAddress(model)) return { dir: model, pinned: null }
  const { directory, pinned } = await resolveModel(model)
  return { dir: directory, pinned }
}

function describeModel({ model, trainable, warnings }: RunModel, events: Emitter<RunEvents>): void {
  events.emit('layerMap', { text: layerMapText(layerMap(model.config, { trainable })) })
  events.emit('trainable', { text: trainableTableText(trainableTable(model.config, trainable)) })
  for (const message of warnings) events.emit('warning', { message })
}

function loaderEvents(events: Emitter<RunEvents>): Emitter<LoaderEvents> {
  const out = new Emitter<LoaderEvents>()
  const warn = (message: string) => events.emit('warning', { message })
  out.on('badShard', ({ source, message, level }) => {
    if (level === 'warn') warn(`${source}: the rest of a shard is passed over: ${message}`)
  })
  out.on('badDocument', ({ source, message, level }) => {
    if (level === 'warn') warn(`${source}: a document is passed over: ${message}`)
  })
  out.on('retry', ({ source, what, attempt, maxAttempts, reason, waitMs }) => {
    warn(
      `${source}: ${what} failed (${reason}); attempt ${attempt} of ${maxAttempts}, trying again in ${formatDuration(waitMs / 1000)}`,
    )
  })
  return out
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

/** Compiles the step; with remat on `auto`, the variant that fits. */
async function makeStep(
  recipe: Recipe,
  { model, base, trainable }: RunModel,
  evaluator: Evaluator,
  events: Emitter<RunEvents>,
): Promise<TrainStep> {
  // answered when all weights are loaded
  await model.engine.memory()
  const residentBytes = process.memoryUsage.rss()
  const availableBytes = availableMemoryBytes(residentBytes)
  const make = (rematBlocks: boolean) =>
    new TrainStep(model, trainable, {
      ...recipe.batch,
      seqLen: recipe.data.seqLen,
      optimizer: recipe.optimizer,
      rematBlocks,
    })
  const others = recipe.probes.length > 0 ? [evaluator.program] : []
  const estimateOf = (step: TrainStep) => estimateMemory(model, step, { others, base, residentBytes })
  let step = make(recipe.remat === 'always')
  let estimate = estimateOf(step)
  if (recipe.remat === 'auto' && estimate.totalBytes > availableBytes) {
    step.dispose()
    step = make(true)
    estimate = estimateOf(step)
    events.emit('warning', {
      message: 'activations would not fit: blocks are computed again in the backward pass (remat)',
    })
  }
  events.emit('memory', { text: memoryText(estimate, availableBytes), needBytes: estimate.totalBytes, availableBytes })
  checkMemory(estimate, availableBytes)
  await step.load()
  return step
}

/** Forgetting is measured against the base where there is one: in the model itself by gates, or held beside it. */
function evaluatorOf(recipe: Recipe, { model, base }: RunModel): Evaluator {
  const isExpanded = readProvenance(model.config) !== null && recipe.method === 'expansion'
  const reference = base ? modelReference(base) : isExpanded ? gatedReference(model) : null
  return new Evaluator(model, { seqLen: recipe.data.seqLen, base: reference })
}

/** Creates the run directory, or checks that it continues the same recipe. */
function openRun(
  { recipe, out, resume = false, device = 'cpu' }: RunOptions,
  { engine, built, data, pinned }: Parts,
  recipeHash: string,
  checkpoint: LoadedCheckpoint | null,
): LoadedCheckpoint | null {
  if (resume && existsSync(join(out, 'run.json'))) {
    const known = readRun(out)['recipeHash']
    if (known !== recipeHash) {
      throw new LabError(
        'RESUME',
        `${out} was started with another recipe; resume with that one (its resolved form is in run.json), or choose another --out`,
      )
    }
    tidyRun(out, { keep: recipe.keepCheckpoints })
    return checkpoint
  }
  const versions = { llamaProLab: packageVersion(), node: process.version, engine: engine.name }
  createRun(out, {
    version: 1,
    name: recipe.name,
    recipe,
    recipeHash,
    versions,
    device,
    seed: recipe.seed,
    model: pinned ?? (recipe.model === undefined ? null : resolve(recipe.model)),
    provenance: readProvenance(built.model.config),
    trainable: built.trainable,
    tokenizer: data.tokenizer.hash,
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

function openMetrics(out: string, resume: boolean, from: Position): MetricsWriter {
  const path = join(out, metricsFile)
  // without a checkpoint the run begins again, and so do its records
  if (resume && from.step === 0) rmSync(path, { force: true })
  if (!resume || from.step === 0) return MetricsWriter.create(path)
  const metrics = MetricsWriter.resumeAt(path, from.step)
  metrics.write({ kind: 'event', ...from, name: 'resumed', detail: {} })
  return metrics
}

/** First and last record of every probe. */
export function summarize(records: readonly MetricRecord[]): ProbeSummary[] {
  const first = new Map<string, ProbeRecord>()
  const last = new Map<string, ProbeRecord>()
  for (const record of records) {
    if (record.kind !== 'probe') continue
    if (!first.has(record.probe)) first.set(record.probe, record)
    last.set(record.probe, record)
  }
  return [...last.values()].map(({ probe, bitsPerByte, deltaNats, deltaLow, deltaHigh }) => ({
    probe,
    bitsPerByteBefore: first.get(probe)!.bitsPerByte,
    bitsPerByteAfter: bitsPerByte,
    deltaNats,
    deltaLow,
    deltaHigh,
  }))
}

/** Version of this package, from the package.json above the sources or the build. */
export function packageVersion(): string {
  const require = createRequire(import.meta.url)
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const json = JSON.parse(readFileSync(require.resolve(path), 'utf8')) as { name?: string; version?: string }
      if (json.name === 'llama-pro-lab') return json.version ?? 'unknown'
    } catch {
      // the sources lie one folder nearer to it than the build
    }
  }
  return 'unknown'
}
