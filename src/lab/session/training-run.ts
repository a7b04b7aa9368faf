import type { MetricRecord, ProbeRecord, TrainRecord } from '../../train/metric-record.js'
import type { Recipe } from '../../train/recipe.js'
import { Emitter } from '../../util/emitter.js'
import { messageOf } from '../../util/errors.js'
import { formatCount, formatDuration } from '../../util/format.js'
import type { RunEvents, RunResult } from '../run-events.js'

export type RunStatus = 'starting' | 'training' | 'paused' | 'stopping' | 'done' | 'interrupted' | 'failed'

/** What a run needs from the one who does its work. */
export interface RunControl {
  /** Aborted when the run is to stop. */
  readonly signal: AbortSignal
  /** Awaited before every step. */
  readonly beforeStep: () => Promise<void>
}

export interface TrainingRunOptions {
  readonly name: string
  readonly dir: string
  readonly recipe: Recipe
  /** Of a run that is resumed: its records up to the checkpoint from which it goes on (default none). */
  readonly records?: readonly MetricRecord[]
  /** Does the run; told how to stop and to pause. */
  readonly work: (run: TrainingRun, control: RunControl) => Promise<RunResult>
}

/**
 * A run that goes on in the background. `await run` waits for its end; `pause`, `resume` and `stop` take effect after the
 * step that is being computed. What it measures is in `records` as it comes, and on disk in `dir`.
 */
export class TrainingRun implements PromiseLike<RunResult> {
  readonly name: string
  /** The run directory. */
  readonly dir: string
  readonly recipe: Recipe
  readonly events = new Emitter<RunEvents>()
  readonly #records: MetricRecord[]
  readonly #abort = new AbortController()
  readonly #result: Promise<RunResult>
  #status: RunStatus = 'starting'
  #error: unknown = null
  #paused: { promise: Promise<void>; release: () => void } | null = null

  constructor({ name, dir, recipe, records = [], work }: TrainingRunOptions) {
    this.name = name
    this.dir = dir
    this.recipe = recipe
    this.#records = [...records]
    this.events.on('record', record => this.#records.push(record))
    this.events.on('status', ({ message }) => {
      if (message === 'training' && this.#status === 'starting') this.#status = 'training'
    })
    // begun in a later turn, so that the caller can listen to all of its events
    this.#result = Promise.resolve()
      .then(() => work(this, { signal: this.#abort.signal, beforeStep: () => this.#gate() }))
      .then(result => this.#end(result.status, result))
      .catch((error: unknown) => {
        this.#status = 'failed'
        this.#error = error
        throw error
      })
    // one who does not await the run learns of the failure by its status
    this.#result.catch(() => {})
  }

  get status(): RunStatus {
    return this.#paused && this.#status === 'training' ? 'paused' : this.#status
  }

  /** Whether it has ended, one way or another. */
  get isOver(): boolean {
    return ['done', 'interrupted', 'failed'].includes(this.#status)
  }

  /** Why it failed; null otherwise. */
  get error(): unknown {
    return this.#error
  }

  /** Every line of metrics.jsonl so far, those from before a resume included. */
  get records(): readonly MetricRecord[] {
    return this.#records
  }

  /** Optimizer steps done. */
  get step(): number {
    return this.#records.at(-1)?.step ?? 0
  }

  /** Optimizer steps in all. */
  get steps(): number {
    return this.recipe.steps
  }

  /** Seconds to the end at the pace of the last steps; null before there is one. Probes are not counted. */
  get etaSeconds(): number | null {
    const recent = this.#lastTrained(10)
    if (recent.length === 0 || this.isOver) return null
    const perStep = recent.reduce((sum, { tokensPerSec }) => sum + this.#tokensPerStep() / tokensPerSec, 0)
    return (perStep / recent.length) * (this.steps - this.step)
  }

  /** Holds the run before its next step; one that is to stop is not held. */
  pause(): void {
    if (this.isOver || this.#paused || this.#abort.signal.aborted) return
    let release = () => {}
    const promise = new Promise<void>(resolve => {
      release = resolve
    })
    this.#paused = { promise, release }
    this.events.emit('status', { message: 'paused' })
  }

  /** Lets a paused run go on. */
  resume(): void {
    this.#paused?.release()
    // a run that has not begun says so itself when it does
    if (this.#paused && this.#status === 'training') this.events.emit('status', { message: 'training' })
    this.#paused = null
  }

  /** Ends the run after the current step with a checkpoint; `lab.resume(run.dir)` continues it exactly. */
  stop(): Promise<RunResult> {
    if (!this.isOver) this.#status = 'stopping'
    this.#abort.abort()
    this.resume()
    return this.#result
  }

  /** `step 12/40  loss 3.21  2,310 tokens/s  0:41 left | general +0.031 code -0.520`; deltas in nats/token. */
  statusLine(): string {
    const [last] = this.#lastTrained(1)
    const parts = [`${this.name}: ${this.status}`, `step ${this.step}/${this.steps}`]
    if (last) parts.push(`loss ${last.lossNats.toFixed(3)}`, `${formatCount(Math.round(last.tokensPerSec))} tokens/s`)
    const eta = this.etaSeconds
    if (eta !== null) parts.push(`${formatDuration(eta)} left`)
    const deltas = [...this.#lastProbes().values()].map(
      ({ probe, deltaNats }) => `${probe} ${deltaNats < 0 ? '' : '+'}${deltaNats.toFixed(3)}`,
    )
    if (deltas.length > 0) parts.push(`| ${deltas.join('  ')} nats/token`)
    if (this.#error !== null) parts.push(`| ${messageOf(this.#error)}`)
    return parts.join('  ')
  }

  // biome-ignore lint/suspicious/noThenProperty: a run is awaited like a promise
  then<A = RunResult, B = never>(
    onFulfilled?: ((result: RunResult) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#result.then(onFulfilled, onRejected)
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.statusLine()
  }

  #end(status: 'done' | 'interrupted', result: RunResult): RunResult {
    this.#status = status
    return result
  }

  async #gate(): Promise<void> {
    while (this.#paused) await this.#paused.promise
  }

  /** The records of the newest steps, newest first; read from the end, as a run of a day has a hundred thousand. */
  #lastTrained(count: number): TrainRecord[] {
    const last: TrainRecord[] = []
    for (let i = this.#records.length - 1; i >= 0 && last.length < count; i--) {
      const record = this.#records[i]!
      if (record.kind === 'train') last.push(record)
    }
    return last
  }

  #tokensPerStep(): number {
    const { batch, data } = this.recipe
    return batch.microBatch * batch.gradAccumSteps * data.seqLen
  }

  #lastProbes(): Map<string, ProbeRecord> {
    const probes = this.#records.filter(record => record.kind === 'probe')
    return new Map(probes.map(record => [record.probe, record]))
  }
}
