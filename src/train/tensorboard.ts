import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { MetricRecord } from './metric-record.js'
import { encodeEvent, frame, type TensorBoardEvent } from './tfrecord.js'

/** The folder of a run directory that holds its TensorBoard files. */
export const tensorboardFolder = 'tensorboard'

type Scalars = [tag: string, value: number][]

function prefixed(prefix: string, numbers: Record<string, number | null>): Scalars {
  return Object.entries(numbers).flatMap(
    ([name, value]): Scalars => (value === null ? [] : [[`${prefix}/${name}`, value]]),
  )
}

/**
 * The scalars of a record, tagged `train/loss_nats`, `mix/SOURCE`, `probe_delta_nats/PROBE`, `contribution/PROBE/block_7`,
 * `gradient/PATH`. All probes are beside each other under each quantity, as TensorBoard groups tags by what is before the first slash.
 */
export function scalarsOf(record: MetricRecord): Scalars {
  switch (record.kind) {
    case 'train': {
      const { lossNats, lr, gradNorm, tokensPerSec, rssBytes, tokens, mix, lossScale = null } = record
      const own = { loss_nats: lossNats, lr, grad_norm: gradNorm, tokens_per_sec: tokensPerSec, rss_bytes: rssBytes }
      return [...prefixed('train', { ...own, tokens, loss_scale: lossScale }), ...prefixed('mix', mix)]
    }
    case 'probe': {
      const { probe, lossNats, bitsPerByte, deltaNats, deltaLow, deltaHigh, klToBaseNats, unshifted, shifted } = record
      const losses = { loss_nats: lossNats, bits_per_byte: bitsPerByte, delta_nats: deltaNats }
      const band = { delta_low: deltaLow, delta_high: deltaHigh }
      const base = { kl_to_base_nats: klToBaseNats, unshifted, shifted }
      return Object.entries({ ...losses, ...band, ...base }).flatMap(
        ([quantity, value]): Scalars => (value === null ? [] : [[`probe_${quantity}/${probe}`, value]]),
      )
    }
    case 'contribution':
      return [[`contribution/${record.probe}/block_${record.layer}`, record.ratio]]
    case 'gradient':
      return prefixed('gradient', record.norms)
    case 'event':
      return []
  }
}

export interface TensorBoardOptions {
  /** The step from which the run goes on; what earlier files hold after it is void. Default 0: a new run. */
  step?: number
  /** Milliseconds since 1970; default the clock. */
  now?: () => number
}

/**
 * Writes a run's records as TensorBoard event files, beside the metrics, which stay the truth. Each record reaches the operating
 * system before `write` returns. A resumed run begins another file, as TensorBoard expects it. Close it when done.
 */
export class TensorBoardWriter {
  readonly path: string
  readonly #fd: number
  readonly #now: () => number

  /** @param dir created when it is not there; TensorBoard is pointed at it or at any folder above */
  constructor(dir: string, { step = 0, now = Date.now }: TensorBoardOptions = {}) {
    mkdirSync(dir, { recursive: true })
    this.#now = now
    const stamp = String(Math.floor(now() / 1000)).padStart(10, '0')
    this.path = join(dir, `events.out.tfevents.${stamp}.${hostname()}.${process.pid}.${step}`)
    this.#fd = openSync(this.path, 'a')
    this.#append({ step: 0, fileVersion: 'brain.Event:2' })
    // readers drop what has this step or a later one; the records of the checkpoint's own step stay
    if (step > 0) this.#append({ step: step + 1, sessionStart: true })
  }

  /** Appends the scalars of a record; a record without any is passed over. */
  write(record: MetricRecord): void {
    const scalars = scalarsOf(record)
    if (scalars.length > 0) this.#append({ step: record.step, scalars })
  }

  close(): void {
    closeSync(this.#fd)
  }

  #append(event: Omit<TensorBoardEvent, 'wallTime'>): void {
    const bytes = frame(encodeEvent({ wallTime: this.#now() / 1000, ...event }))
    let done = 0
    while (done < bytes.byteLength) done += writeSync(this.#fd, bytes, done)
  }
}
