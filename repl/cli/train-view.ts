/** A training run as it is seen: what it is, then a bar or lines, and its probes. */
import {
  Emitter,
  formatCount,
  type MetricRecord,
  type ProbeRecord,
  type RunEvents,
  type RunResult,
  type TrainRecord,
} from '../../src/index.js'
import type { Output } from './output.js'
import { type Progress, timeLeft } from './progress.js'
import { indented, signed, table } from './text.js'

/** Without a terminal, a line for about every twentieth of the steps. */
const plainLines = 20

/** Follows one run: give `events` to it and run it inside `follow`. */
export class TrainView {
  readonly events = new Emitter<RunEvents>()
  readonly #out: Output
  readonly #deltas = new Map<string, ProbeRecord>()
  #progress: Progress | null = null
  #steps = 0
  #first: TrainRecord | null = null
  #last: TrainRecord | null = null

  constructor(out: Output, { quiet = false }: { quiet?: boolean } = {}) {
    this.#out = out
    this.events.on('warning', ({ message }) => out.warning(message))
    this.events.on('record', record => this.#record(record))
    this.events.on('resolved', ({ recipe }) => {
      this.#steps = recipe.steps
    })
    if (!quiet) this.#describe()
  }

  /** What is known before the first step. */
  #describe(): void {
    let isAfterPart = false
    const part = (title: string, text: string) => {
      this.#out.heading(title)
      this.#out.line(indented(text.trimEnd()))
      isAfterPart = true
    }
    const remark = (text: string) => {
      this.#out.line(`${isAfterPart ? '\n' : ''}${this.#out.style.dim(text)}`)
      isAfterPart = false
    }
    this.events.on('status', ({ message }) => remark(message))
    this.events.on('frozen', ({ tensors }) => {
      if (tensors > 0) remark(`${formatCount(tensors)} frozen tensors: every byte as before`)
    })
    this.events.on('engine', ({ description }) => part('Engine', description))
    this.events.on('resolved', ({ yaml }) => part('Recipe', yaml))
    this.events.on('layerMap', ({ text }) => part('Blocks', text))
    this.events.on('trainable', ({ text }) => part('Trainable', text))
    this.events.on('quantized', ({ text }) => part('Frozen weights', text))
    this.events.on('memory', ({ text }) => part('Memory', text))
  }

  /** Shows the run on a progress view while `work` lasts. */
  async follow<T>(label: string, work: () => Promise<T>): Promise<T> {
    return this.#out.progress({ label, plain: 'none' }, async progress => {
      this.#progress = progress
      return work()
    })
  }

  #record(record: MetricRecord): void {
    if (record.kind === 'train') this.#train(record)
    else if (record.kind === 'probe') this.#probe(record)
  }

  #train(record: TrainRecord): void {
    this.#first ??= record
    this.#last = record
    this.#refresh()
    const every = Math.max(1, Math.round(this.#steps / plainLines))
    if (this.#out.isTTY || (record.step % every !== 0 && record.step !== this.#steps)) return
    this.#out.line(`step ${this.#stepText(record.step)}  ${this.#beside()}`)
  }

  #probe(record: ProbeRecord): void {
    this.#deltas.set(record.probe, record)
    this.#refresh()
    if (!this.#out.isTTY) this.#out.line(probeLine(record, this.#stepText(record.step)))
  }

  #stepText(step: number): string {
    return `${String(step).padStart(String(this.#steps).length)}/${this.#steps}`
  }

  #refresh(): void {
    const step = this.#last?.step ?? 0
    this.#progress?.update(step, { total: this.#steps, beside: this.#beside(), below: this.#below() })
  }

  /** `loss 3.214  1,234 tokens/s  1 min 05 s left`. */
  #beside(): string {
    if (!this.#last || !this.#first) return ''
    const { step, lossNats, tokensPerSec, seconds } = this.#last
    const origin = this.#first.step - 1
    const left = timeLeft(step - origin, this.#steps - origin, seconds - this.#first.seconds)
    return [`loss ${lossNats.toFixed(3)}`, `${formatCount(tokensPerSec)} tokens/s`, left].filter(Boolean).join('  ')
  }

  /** What the probes have done since the start: `general +0.012   code -0.534   nats/token since step 0`. */
  #below(): string {
    if (this.#deltas.size === 0) return ''
    const { style } = this.#out
    const changes = [...this.#deltas.values()].map(record => {
      const text = signed(record.deltaNats)
      // without a band nothing is sure
      const [low, high] = [record.deltaLow ?? 0, record.deltaHigh ?? 0]
      return `${record.probe} ${low > 0 ? style.red(text) : high < 0 ? style.green(text) : text}`
    })
    const step = Math.max(...[...this.#deltas.values()].map(record => record.step))
    return `${changes.join('   ')}   ${style.dim(`nats/token, step ${step}`)}`
  }
}

/** `probe  25/150  general  2.412 bits/byte  +0.003 nats/token (+0.001 to +0.005)`. */
function probeLine(
  { probe, bitsPerByte, deltaNats, deltaLow, deltaHigh, step }: ProbeRecord,
  stepText: string,
): string {
  const change = step === 0 ? '' : `  ${signed(deltaNats)} nats/token (${bandText(deltaLow, deltaHigh)})`
  return `probe ${stepText}  ${probe.padEnd(8)}  ${bitsPerByte.toFixed(3)} bits/byte${change}`
}

/** `+0.001 to +0.005`. */
function bandText(low: number | null, high: number | null): string {
  return low === null || high === null ? 'no band' : `${signed(low)} to ${signed(high)}`
}

/** Every probe before and after a run. */
export function printProbes(out: Output, { probes }: Pick<RunResult, 'probes'>): void {
  const rows = probes.map(({ probe, bitsPerByteBefore, bitsPerByteAfter, deltaNats, deltaLow, deltaHigh }) => [
    probe,
    bitsPerByteBefore.toFixed(3),
    bitsPerByteAfter.toFixed(3),
    signed(bitsPerByteAfter - bitsPerByteBefore),
    signed(deltaNats),
    bandText(deltaLow, deltaHigh),
  ])
  table(out, ['probe', 'bits/byte before', 'after', 'change', 'in nats/token', '95 % band'], rows)
}
