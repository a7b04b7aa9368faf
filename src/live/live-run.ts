import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { LayerMap } from '../expansion/layer-map.js'
import { readLayerMap } from '../forgetting/read-run.js'
import type { RunRecords } from '../forgetting/tables.js'
import { TrainColumns } from '../forgetting/train-columns.js'
import type { MetricRecord } from '../train/metrics.js'
import { metricsFile, readRun, runFile } from '../train/run-directory.js'
import { messageOf } from '../util/errors.js'
import { lockHolder } from '../util/pid-lock.js'
import { MetricsTail } from './metrics-tail.js'

/** `training`: a process holds the run. `done`: its last step is recorded. `stopped`: neither. */
export type LiveRunStatus = 'training' | 'done' | 'stopped'

/** How a run stands, for a table of runs. */
export interface LiveRunSummary {
  name: string
  status: LiveRunStatus
  /** Method of its recipe; null when there is no run.json. */
  method: string | null
  step: number
  /** Steps of its recipe; null when there is no run.json. */
  steps: number | null
  /** Loss of the last step in nats per token; null before the first, and when it is not finite. */
  lossNats: number | null
  tokensPerSec: number | null
  /** Seconds to the last step at the pace of the last twenty; null when it is not training. */
  etaSeconds: number | null
  /** Its held-out sets, in the order in which they were first scored. */
  probes: string[]
  /** Records so far. */
  next: number
  /** Why its metrics or its run.json cannot be read; null when they can. */
  problem: string | null
}

/** Counts changes: a figure is drawn again when the count of what it shows has changed. */
export interface LiveRunVersion {
  train: number
  other: number
}

/** One run that is followed: its records so far, and how it stands. */
export class LiveRun {
  readonly name: string
  readonly dir: string
  readonly tail: MetricsTail
  readonly version: LiveRunVersion = { train: 0, other: 0 }
  #train = new TrainColumns()
  #others: MetricRecord[] = []
  #probes = new Set<string>()
  #last: MetricRecord | null = null
  #info: { steps: number | null; method: string | null; layers: LayerMap | null } | null = null
  #isHeld = false
  #problem: string | null = null
  #resets = 0
  #isRead = false

  constructor(name: string, dir: string) {
    this.name = name
    this.dir = dir
    this.tail = new MetricsTail(join(dir, metricsFile))
  }

  /** How often its past has changed (a resume cut it). */
  get resets(): number {
    return this.#resets
  }

  /** Whether its file has been read to the end, or to a bad line, once. */
  get isRead(): boolean {
    return this.#isRead
  }

  /** What figures are made from; borrowed, valid until the next update. */
  get records(): RunRecords {
    return { name: this.name, records: this.#others, train: this.#train, layers: this.#info?.layers ?? null }
  }

  /** Reads everything new, in slices that leave the event loop alive. What cannot be read is this run's `problem`, never thrown. */
  async update(): Promise<void> {
    try {
      this.#isHeld = (await lockHolder(join(this.dir, '.lock'))) !== null
      await this.#readRecords()
      this.#readInfo()
      this.#problem = null
    } catch (error) {
      this.#problem = messageOf(error)
      // what comes before a bad line is all that there is to read
      this.#isRead ||= this.tail.next > 0
    }
  }

  summary(): LiveRunSummary {
    const losses = this.#train.column('lossNats')
    const loss = losses.at(-1)
    const steps = this.#info?.steps ?? null
    const step = this.#last?.step ?? 0
    return {
      name: this.name,
      status: this.#isHeld ? 'training' : steps !== null && step >= steps ? 'done' : 'stopped',
      method: this.#info?.method ?? null,
      step,
      steps,
      lossNats: loss !== undefined && Number.isFinite(loss) ? loss : null,
      tokensPerSec: this.#train.column('tokensPerSec').at(-1) ?? null,
      etaSeconds: this.#isHeld && steps !== null ? this.#eta(steps - step) : null,
      probes: [...this.#probes],
      next: this.tail.next,
      problem: this.#problem,
    }
  }

  async #readRecords(): Promise<void> {
    for (let more = true; more; ) {
      const step = await this.tail.step()
      if (step.reset) this.#restart()
      for (const record of step.records) this.#add(record)
      more = step.more
      if (more) await setImmediate()
    }
    this.#isRead = true
  }

  #eta(left: number): number | null {
    const seconds = this.#train.column('seconds')
    const steps = Math.min(20, seconds.length - 1)
    return steps < 1 ? null : (left * (seconds.at(-1)! - seconds.at(-1 - steps)!)) / steps
  }

  #restart(): void {
    this.#train = new TrainColumns()
    this.#others = []
    this.#probes = new Set()
    this.#last = null
    this.#info = null
    this.#resets++
    this.version.train++
    this.version.other++
  }

  #add(record: MetricRecord): void {
    this.#last = record
    if (record.kind === 'probe') this.#probes.add(record.probe)
    if (record.kind === 'train') {
      this.#train.push(record)
      this.version.train++
    } else {
      this.#others.push(record)
      this.version.other++
    }
  }

  /** run.json is written once, before the first record. */
  #readInfo(): void {
    if (this.#info || !existsSync(join(this.dir, runFile))) return
    const recipe = readRun(this.dir)['recipe'] as { steps?: number; method?: string } | undefined
    this.#info = { steps: recipe?.steps ?? null, method: recipe?.method ?? null, layers: readLayerMap(this.dir) }
    this.version.other++
  }
}
