import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import { internal, LabError } from '../util/errors.js'
import type { MetricInput, MetricRecord } from './metric-record.js'
import { decodeRecord, encodeRecord } from './metrics-codec.js'

export type {
  ContributionRecord,
  EventRecord,
  GradientRecord,
  MetricInput,
  MetricRecord,
  ProbeRecord,
  TrainRecord,
} from './metric-record.js'

interface Scan {
  records: MetricRecord[]
  /** Byte offset after the line of each record. */
  ends: number[]
}

/** Parses complete lines; bytes after the last newline are a torn write and are left out. */
function scan(path: string): Scan {
  const bytes = readFileSync(path)
  const result: Scan = { records: [], ends: [] }
  let start = 0
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    const line = result.records.length + 1
    const record = decodeRecord(bytes.toString('utf8', start, end), `${path}, line ${line}`)
    if (record.seq !== line - 1)
      throw new LabError(
        'METRICS_SEQ',
        `${path}, line ${line}: expected seq ${line - 1}, found ${record.seq}. Lines were removed, repeated or reordered; restore the file as the run wrote it.`,
      )
    result.records.push(record)
    start = end + 1
    result.ends.push(start)
  }
  return result
}

/**
 * Reads a `metrics.jsonl`. A last line without its newline (the run was killed in a write, or is writing now) is left out.
 * @throws LabError METRICS_LINE | METRICS_SEQ with the line number when any other line is not a record in its place.
 */
export function readMetrics(path: string): MetricRecord[] {
  if (!existsSync(path))
    throw new LabError('METRICS_MISSING', `No metrics at ${path}. Give a run directory's metrics.jsonl.`)
  return scan(path).records
}

/**
 * The append-only record of a run. Each record reaches the operating system before `write` returns, so it outlives a kill of the
 * process; `sync` makes everything so far outlive the machine (call it before a checkpoint becomes visible). Close it when done.
 */
export class MetricsWriter {
  readonly path: string
  #fd: number | null
  #nextSeq: number
  #last: MetricRecord | null

  private constructor(path: string, fd: number, last: MetricRecord | null) {
    this.path = path
    this.#fd = fd
    this.#nextSeq = last ? last.seq + 1 : 0
    this.#last = last
  }

  /**
   * Starts the metrics of a new run.
   * @throws LabError METRICS_EXISTS when the file is already there.
   */
  static create(path: string): MetricsWriter {
    if (existsSync(path))
      throw new LabError('METRICS_EXISTS', `${path} already holds a run. Resume it, or choose another run directory.`)
    return new MetricsWriter(path, openSync(path, 'ax'), null)
  }

  /**
   * Continues a run from its checkpoint at `step`: cuts off a torn last line and the first record after `step` with all that follows it,
   * and goes on with the next `seq`. Records of the step itself (its probes, its events) stay.
   * @throws LabError METRICS_MISSING when there is no file; METRICS_LINE or METRICS_SEQ when a complete line is damaged.
   */
  static resumeAt(path: string, step: number): MetricsWriter {
    if (!existsSync(path))
      throw new LabError('METRICS_MISSING', `Cannot resume at step ${step}: no metrics at ${path}. Start the run anew.`)
    const { records, ends } = scan(path)
    const firstAfter = records.findIndex(record => record.step > step)
    const kept = firstAfter < 0 ? records.length : firstAfter
    const fd = openSync(path, 'r+')
    ftruncateSync(fd, kept === 0 ? 0 : ends[kept - 1]!)
    fsyncSync(fd)
    closeSync(fd)
    return new MetricsWriter(path, openSync(path, 'a'), records[kept - 1] ?? null)
  }

  /** The last record kept or written, null when there is none: where `tokens` and `seconds` go on from after a resume. */
  get last(): MetricRecord | null {
    return this.#last
  }

  /**
   * Numbers, appends and returns a record. Numbers may be NaN or infinite (a diverged loss must stay visible).
   * @throws LabError METRICS_ORDER when `step` is smaller than that of the record before.
   */
  write(input: MetricInput): MetricRecord {
    if (this.#last && input.step < this.#last.step)
      throw new LabError(
        'METRICS_ORDER',
        `Expected a step of ${this.#last.step} or more, got ${input.step}: steps only go forward; use MetricsWriter.resumeAt to go back.`,
      )
    const record = { ...input, seq: this.#nextSeq } as MetricRecord
    this.#append(`${encodeRecord(record)}\n`)
    this.#nextSeq++
    return (this.#last = record)
  }

  /** Forces everything written so far onto the disk. */
  sync(): void {
    fsyncSync(this.#open())
  }

  /** Syncs and closes the file; closing twice is allowed. */
  close(): void {
    if (this.#fd === null) return
    fsyncSync(this.#fd)
    closeSync(this.#fd)
    this.#fd = null
  }

  #append(line: string): void {
    const bytes = new TextEncoder().encode(line)
    let done = 0
    while (done < bytes.byteLength) done += writeSync(this.#open(), bytes, done)
  }

  #open(): number {
    if (this.#fd === null) throw internal(`${this.path} was written to after close`)
    return this.#fd
  }
}
