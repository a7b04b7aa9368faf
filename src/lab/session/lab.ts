import { basename, join, resolve } from 'node:path'
import type { ColumnTable } from 'arquero'
import type { HubProgress } from '../../checkpoint/hub-download.js'
import { type LayerMap, layerMap, layerMapText } from '../../expansion/layer-map.js'
import { type ExpansionOptions, type ExpansionPlan, planExpansion, planText } from '../../expansion/plan.js'
import { type RunFigureName, type RunFigureOptions, runFigure } from '../../forgetting/figures.js'
import type { RunRecords } from '../../forgetting/tables.js'
import { type TrainableTable, trainableTable, trainableTableText } from '../../freeze/trainable-table.js'
import type { Lesson } from '../../lessons/lesson.js'
import { lessonText } from '../../lessons/lesson-text.js'
import { checkAnswer, lessonOf } from '../../lessons/lessons.js'
import type { LessonOptions, LessonSubject } from '../../lessons/subject.js'
import { LiveServer } from '../../live/server.js'
import type { ModelConfig } from '../../model/config.js'
import { forward, logitsOf } from '../../model/forward.js'
import type { Model } from '../../model/model.js'
import type { Figure } from '../../plot/figure.js'
import type { Engine } from '../../tensor/engine.js'
import type { Tensor } from '../../tensor/graph.js'
import { fromHost } from '../../tensor/leaf.js'
import type { Tokenizer } from '../../tokenizer/tokenizer.js'
import { parseRecipe } from '../../train/recipe.js'
import { readRun, runFile } from '../../train/run-directory.js'
import { Emitter } from '../../util/emitter.js'
import { LabError } from '../../util/errors.js'
import { createEngine, type EngineOptions } from '../engines.js'
import { type Evaluation, evaluationText, openProbes, scoreProbes } from '../evaluate-model.js'
import { streamText } from '../generate-text.js'
import { type RunEvents, runEventNames } from '../run-events.js'
import { demoBase } from './datasets.js'
import type { LabEvents, LabGenerateOptions, LabOptions } from './lab-options.js'
import { liveControls } from './live-controls.js'
import { LiveModel } from './live-model.js'
import { modelDirectoryOf } from './model-directory.js'
import { readable } from './readable.js'
import {
  freeRunName,
  fullRunBeside,
  listRuns,
  type RunRow,
  type RunTableName,
  recordsOf,
  recordsToResume,
  runDirectoryOf,
  runTable,
} from './run-shelf.js'
import { resumeWork, startWork } from './run-work.js'
import { type GivenSource, SessionData } from './session-data.js'
import { type ProbeSpec, type SourceSpec, sessionRecipe, type TrainOptions } from './session-recipe.js'
import { TrainingRun, type TrainingRunOptions } from './training-run.js'
import { proofText, proveIdentity, type SessionProof } from './verify-live.js'

/**
 * A session: one live model that is loaded, expanded, frozen, trained, measured and saved, step by step. Notebook cells
 * and the terminal use the same one. It owns its engine and model; `dispose` frees them.
 */
export class Lab {
  readonly events = new Emitter<LabEvents>()
  readonly cwd: string
  readonly runsDir: string
  readonly #signal: () => AbortSignal | undefined
  readonly #engineOptions: EngineOptions
  #device: string
  #engine: Engine | null = null
  /** The last engine that ended by itself, until it has freed what it held. */
  #ending: Promise<void> = Promise.resolve()
  #live: LiveModel | null = null
  /** Why there is no live model any more, after its engine has ended. */
  #lost: LabError | null = null
  #origin: string | null = null
  #plan: ExpansionPlan | null = null
  readonly #data: SessionData
  readonly #runs: TrainingRun[] = []
  #server: Promise<LiveServer> | null = null
  /** What changes or compares the live model at this moment. */
  #doing: string | null = null
  #disposing: Promise<void> | null = null

  constructor(options: LabOptions = {}) {
    const { cwd = process.cwd(), device = 'cpu', runsDir = 'runs', signal, ...engineOptions } = options
    this.cwd = cwd
    this.#data = new SessionData(cwd)
    this.runsDir = resolve(cwd, runsDir)
    this.#device = device
    this.#engineOptions = engineOptions
    this.#signal = signal ?? (() => undefined)
  }

  /** Where tensors are computed: `cpu`, `reference`, ... */
  get device(): string {
    return this.#device
  }

  /** The engine, started on first use, and anew when the one before has ended by itself. */
  get engine(): Engine {
    this.#dropEnded()
    this.#engine ??= createEngine(this.#device, this.#engineOptions)
    return this.#engine
  }

  get isLoaded(): boolean {
    this.#dropEnded()
    return this.#live !== null
  }

  /** The live model. @throws LabError SESSION_EMPTY before one is loaded, SESSION_LOST when its engine has ended */
  get model(): Model {
    return this.#loaded().model
  }

  get config(): ModelConfig {
    return this.model.config
  }

  get tokenizer(): Tokenizer {
    return this.#loaded().tokenizer
  }

  /** What `load` was given; null before. */
  get origin(): string | null {
    return this.#origin
  }

  /** The newest plan; null before there is one. */
  get currentPlan(): ExpansionPlan | null {
    return this.#plan
  }

  /** The newest run of this session; null before there is one. */
  get run(): TrainingRun | null {
    return this.#runs.at(-1) ?? null
  }

  /**
   * Loads a model and forgets the one before it.
   * @param where `demo` (the embedded base, default), a model or run directory, the name of a run below `runsDir`, or
   *   `hf://owner/name[@revision]`
   */
  async load(where = 'demo'): Promise<LayerMap> {
    const load = async () => LiveModel.load(await this.#directoryOf(where), this.engine)
    const live = await this.#alone('load a model', load)
    this.#replace(live)
    this.#origin = where
    this.#plan = null
    if (where === 'demo') this.#data.takeDemo()
    this.#changed('model')
    return this.layers()
  }

  /** Every block of the live model: its source, whether it is new and trainable, its parameters. */
  layers(): LayerMap {
    const map = layerMap(this.model.config, { trainable: this.#loaded().trainable })
    return readable(map, layerMapText(map))
  }

  /** Plans an expansion of the live model and keeps it as `currentPlan`; nothing is changed yet. */
  plan(options: ExpansionOptions): ExpansionPlan {
    const plan = planExpansion(this.model.config, options)
    this.#plan = readable(plan, planText(plan))
    this.#changed('plan')
    return this.#plan
  }

  /** The live model becomes its expansion: the same function, with new blocks that are selected for training. */
  async expand(plan: ExpansionPlan | ExpansionOptions | null = this.#plan): Promise<LayerMap> {
    this.#checkIdle('expand the model')
    if (plan === null)
      throw new LabError('SESSION_PLAN', 'there is no plan yet: lab.plan({ groups: 3 }), or lab.expand({ groups: 3 })')
    const chosen = 'layers' in plan ? plan : this.plan(plan)
    await this.#alone('expand the model', () => this.#loaded().expand(chosen))
    this.#plan = null
    this.#changed('model')
    return this.layers()
  }

  /**
   * Loads the base again and compares it with the live model bit for bit, with its gates as they are and with all gates 0.
   * @param prompt compared beside rows of random tokens
   */
  async verify(prompt?: string): Promise<SessionProof> {
    const prove = () => proveIdentity(this.#loaded(), prompt, this.#signal())
    const proof = await this.#alone('verify', prove)
    return readable(proof, proofText(proof))
  }

  /** Takes parameters out of training: `all`, `added`, `block 3-7`, a path, a glob. */
  freeze(...rules: string[]): TrainableTable {
    this.#checkIdle('freeze')
    this.#loaded().freeze(rules)
    this.#changed('freeze')
    return this.trainable()
  }

  /** Selects parameters for training, by the same rules. */
  unfreeze(...rules: string[]): TrainableTable {
    this.#checkIdle('unfreeze')
    this.#loaded().unfreeze(rules)
    this.#changed('freeze')
    return this.trainable()
  }

  /** What training will change. */
  trainable(): TrainableTable {
    const table = trainableTable(this.model.config, this.#loaded().trainable)
    return readable(table, trainableTableText(table))
  }

  /**
   * Says what to train on; weights are relative shares of the tokens. Without an argument: what is set.
   * @param sources names (`demo/code`, `demo/math`, `the-stack`, `proof-pile-2`), manifests, files, globs or `hf://` addresses
   */
  data(sources?: string | readonly GivenSource[]): readonly SourceSpec[] {
    if (sources !== undefined) {
      this.#data.setSources(sources)
      this.#changed('data')
    }
    return this.#data.sources
  }

  /** Says which held-out sets are measured, name -> dataset. Without an argument: what is set. */
  probes(probes?: Readonly<Record<string, string>>): readonly ProbeSpec[] {
    if (probes !== undefined) {
      this.#data.setProbes(probes)
      this.#changed('data')
    }
    return this.#data.probes
  }

  /**
   * Starts a run of the live model and returns at once; `await` the run for its end.
   * @throws LabError SESSION_DATA without data, SESSION_BUSY while a run goes on, RECIPE for options that cannot be
   */
  train(options: TrainOptions = {}): TrainingRun {
    this.#checkIdle('train')
    const live = this.#loaded()
    const sources = this.#data.recipeSources(options.recipe !== undefined)
    const name = freeRunName(this.runsDir, options.name ?? (live.plan === null ? 'full' : 'expansion'))
    const dir = join(this.runsDir, name)
    // weights that no directory holds are saved with the run, so that its recipe can be run again
    const modelDir = live.isChanged ? join(dir, 'start') : live.source
    const recipe = sessionRecipe({
      live,
      modelDir,
      sources,
      probes: this.#data.recipeProbes(),
      options: { ...options, name },
      isDemo: live.base === demoBase(),
      cwd: this.cwd,
    })
    const work = startWork({ live, engine: this.engine, device: this.#device, modelDir })
    return this.#begin({ name, dir, recipe, work })
  }

  /**
   * Continues an interrupted run exactly and returns at once; `await` the run for its end. The live model becomes that of
   * the run. Not async: a promise of a run would only be kept when the run has ended.
   * @param runDir its path, or its name below `runsDir`
   */
  resume(runDir: string): TrainingRun {
    this.#checkIdle('resume a run')
    const dir = runDirectoryOf(runDir, { cwd: this.cwd, folder: this.runsDir })
    const recipe = parseRecipe(readRun(dir)['recipe'], { origin: join(dir, runFile), baseDir: dir })
    const work = resumeWork({
      engine: this.engine,
      device: this.#device,
      onLive: live => {
        this.#replace(live)
        this.#origin = runDir
        this.#changed('model')
      },
    })
    return this.#begin({ name: basename(dir), dir, recipe, records: recordsToResume(dir), work })
  }

  /** Scores the live model, gates as they are, on held-out sets (default those of `probes()`). */
  async probe(
    probes?: Readonly<Record<string, string>>,
    { maxTokens = 4096 }: { maxTokens?: number } = {},
  ): Promise<Evaluation[]> {
    const live = this.#loaded()
    const signal = this.#signal()
    const results = await scoreProbes({
      model: live.model,
      tokenizer: live.tokenizer,
      probes: this.#data.probePaths(probes),
      maxTokens,
      gates: live.gateTensors(),
      onProgress: (done, total) => this.events.emit('progress', { label: 'measuring', done, total, unit: 'count' }),
      ...(signal ? { signal } : {}),
    })
    return readable(results, evaluationText(results))
  }

  /** A figure of runs (default: forgetting, of the newest run). */
  plot(
    name: RunFigureName = 'forgetting',
    { runs, ...options }: RunFigureOptions & { runs?: readonly (string | TrainingRun)[] } = {},
  ): Figure {
    return runFigure(name, this.#records(runs), options)
  }

  /** Records of runs as an arquero table (default: the summary of the newest run). */
  table(what: RunTableName = 'summary', { runs }: { runs?: readonly (string | TrainingRun)[] } = {}): ColumnTable {
    return runTable(what, this.#records(runs))
  }

  /** Continues a prompt with the live model, gates as they are; 48 tokens, greedy, unless said otherwise. */
  async generate(prompt: string, { onText, ...options }: LabGenerateOptions = {}): Promise<string> {
    const { model, tokenizer, gates } = this.#parts()
    const signal = options.signal ?? this.#signal()
    const wanted = { maxNewTokens: 48, gates, ...options, ...(signal ? { signal } : {}) }
    let text = ''
    for await (const piece of streamText(model, tokenizer, prompt, wanted)) {
      text += piece
      onText?.(piece)
    }
    return text
  }

  /** The gate of every new block: 1 = on, 0 = not there. Training always runs with all of them on. */
  gates(): ReadonlyMap<number, number> {
    return this.#loaded().gates()
  }

  /** Sets the gate of all new blocks, or of one. With all at 0 the model is its base, bit for bit. */
  gate(value: number, layer?: number): ReadonlyMap<number, number> {
    const live = this.#loaded()
    live.setGate(value, layer)
    this.#changed('gates')
    return live.gates()
  }

  /** Token ids of a text, BOS first where the tokenizer has one. */
  tokens(text: string): Int32Array {
    return this.tokenizer.encode(text, { addSpecialTokens: true })
  }

  /** The live model's logits `[T, V]` after every token of a text, as a tensor that is computed when it is read. */
  logits(text: string): Tensor {
    const { model, gates } = this.#parts()
    const ids = this.tokens(text)
    const { hidden } = forward(model.config, model.weights, fromHost(ids, [1, ids.length], 'i32'), { gates })
    return logitsOf(model.config, model.weights, hidden)
  }

  /**
   * One of the nine steps of the walk through block expansion, computed from the live model: `ladder`, `copy`, `zero`, `proof`,
   * `first-step`, `freeze`, `train`, `contribution`, `quiz`.
   * @param which its number from 1 to 9, or its name
   */
  async step(which: number | string, options: LessonOptions = {}): Promise<Lesson> {
    const lesson = await lessonOf(which, this.#subject(options.signal), options)
    return readable(lesson, lessonText(lesson, { width: 100 }).join('\n'))
  }

  /** Whether an answer (`a`, `b`, `c`) to a question of the quiz is right, and why. */
  answer(question: number, choice: string): { right: boolean; text: string } {
    const checked = checkAnswer(question, choice)
    return readable(checked, checked.text)
  }

  /** Says that weights were changed by hand (`lab.model.parameter(path).write(...)`), so that runs keep them. */
  markChanged(): void {
    this.#loaded().isChanged = true
    this.#changed('model')
  }

  /**
   * Writes the live model as a Hugging Face directory, in the place of a model that is there; resolves to its path.
   * @throws LabError SESSION_SAVE for the directory that the model came from, with which it is compared
   */
  async save(dir: string, { dtype }: { dtype?: ModelConfig['dtype'] } = {}): Promise<string> {
    const path = resolve(this.cwd, dir)
    await this.#loaded().save(path, dtype, this.#signal())
    return path
  }

  /** The runs in `runsDir`. */
  runs(): RunRow[] {
    return listRuns(this.runsDir)
  }

  /** Computes on another device; the model is loaded again there. @throws LabError SESSION_CHANGED for weights that only the old one has */
  async useDevice(device: string): Promise<void> {
    await this.#alone('change the device', () => this.#moveTo(device))
    this.#changed('device')
  }

  async #moveTo(device: string): Promise<void> {
    this.#dropEnded()
    const live = this.#live
    if (live?.isChanged)
      throw new LabError(
        'SESSION_CHANGED',
        'the live weights are nowhere else: await lab.save(dir), then load them on the other device',
      )
    const engine = createEngine(device, this.#engineOptions)
    const next = live
      ? await live.onEngine(engine).catch(async (error: unknown) => {
          await engine.dispose()
          throw error
        })
      : null
    live?.dispose()
    await this.#engine?.dispose()
    this.#engine = engine
    this.#live = next
    this.#device = device
  }

  /** The page of all runs in `runsDir`, on 127.0.0.1; started on first use, it ends with the session. */
  async serve(): Promise<LiveServer> {
    this.#server ??= LiveServer.start({ runs: [this.runsDir], controls: liveControls(this) }).catch(error => {
      // what stood in its way may be gone the next time
      this.#server = null
      throw error
    })
    return this.#server
  }

  /** Stops the run that goes on; it writes a checkpoint first. */
  interrupt(): void {
    if (this.run && !this.run.isOver) this.run.stop().catch(() => {})
  }

  /** Stops what goes on and frees model and engine. */
  dispose(): Promise<void> {
    this.#disposing ??= this.#free().finally(() => {
      this.#disposing = null
    })
    return this.#disposing
  }

  async #free(): Promise<void> {
    this.interrupt()
    await this.run?.then(
      () => {},
      () => {},
    )
    await this.#server?.then(
      server => server.close(),
      () => {},
    )
    this.#server = null
    this.#live?.dispose()
    this.#live = null
    this.#lost = null
    await this.#engine?.dispose()
    this.#engine = null
    await this.#ending
  }

  #replace(live: LiveModel): void {
    this.#live?.dispose()
    this.#live = live
    this.#lost = null
  }

  /** Forgets an engine that has ended by itself, and the model that lived on it; the next use starts another one. */
  #dropEnded(): void {
    const reason = this.#engine?.ended
    if (!reason) return
    this.#ending = this.#engine!.dispose()
    this.#engine = null
    if (!this.#live) return
    this.#live.dispose()
    this.#live = null
    this.#lost = new LabError(
      'SESSION_LOST',
      `the engine has ended, and the live model with it (${reason.message}): await lab.load(dir), or lab.resume(run); the next one starts by itself`,
      { cause: reason },
    )
  }

  #begin(options: TrainingRunOptions): TrainingRun {
    const run = new TrainingRun(options)
    this.#runs.push(run)
    for (const name of runEventNames) this.#forward(run, name)
    this.events.emit('run', { run })
    const changed = () => this.#changed('run')
    run.then(changed, changed)
    return run
  }

  #forward<Name extends keyof RunEvents>(run: TrainingRun, name: Name): void {
    run.events.on(name, event => this.events.emit(name, event as LabEvents[Name]))
  }

  #changed(what: LabEvents['state']['what']): void {
    this.events.emit('state', { what })
  }

  #loaded(): LiveModel {
    this.#dropEnded()
    if (this.#lost) throw this.#lost
    if (!this.#live)
      throw new LabError(
        'SESSION_EMPTY',
        "load a model first: await lab.load('demo'), or a directory, or hf://owner/name",
      )
    return this.#live
  }

  #parts() {
    const live = this.#loaded()
    return { model: live.model, tokenizer: live.tokenizer, gates: live.gateTensors() }
  }

  #subject(signal = this.#signal()): LessonSubject {
    const { model, tokenizer, base, trainable } = this.#loaded()
    const probes = this.#data.probePaths()
    return {
      model,
      tokenizer,
      base,
      trainable,
      plan: this.#plan,
      run: this.run,
      fullRun: fullRunBeside(this.#runs),
      openProbes: options => openProbes(probes, { tokenizer, ...options }),
      ...(signal ? { signal } : {}),
    }
  }

  /** Does what nothing else may come between; a run or another such work that is asked for meanwhile is refused. */
  async #alone<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.#checkIdle(what)
    this.#doing = what
    try {
      return await work()
    } finally {
      this.#doing = null
    }
  }

  #checkIdle(what: string): void {
    if (this.#doing !== null)
      throw new LabError(
        'SESSION_BUSY',
        `cannot ${what}: the session was told to ${this.#doing} and is not done; await it`,
      )
    if (this.run && !this.run.isOver)
      throw new LabError(
        'SESSION_BUSY',
        `cannot ${what} while ${this.run.name} goes on (step ${this.run.step}/${this.run.steps}): await it, or await lab.run.stop()`,
      )
  }

  #directoryOf(where: string): Promise<string> {
    const signal = this.#signal()
    const onProgress = ({ bytes, totalBytes }: HubProgress) =>
      this.events.emit('progress', { label: `downloading ${where}`, done: bytes, total: totalBytes, unit: 'bytes' })
    return modelDirectoryOf(where, { cwd: this.cwd, runsDir: this.runsDir, onProgress, ...(signal ? { signal } : {}) })
  }

  #records(runs?: readonly (string | TrainingRun)[]): RunRecords[] {
    const wanted = runs ?? (this.run ? [this.run] : [])
    if (wanted.length === 0)
      throw new LabError('SESSION_RUN', 'there is no run yet: lab.train(), or name run directories: { runs: [dir] }')
    return wanted.map(run => recordsOf(run, { cwd: this.cwd, folder: this.runsDir }))
  }
}
