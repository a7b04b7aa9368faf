/** The curves of a run, kept short: a run of a day has a hundred thousand records, a line of the screen a hundred columns. */
import type { MetricRecord, ProbeRecord, TrainRecord } from '../../src/index.js'
import type { SparkPoint } from './sparkline.js'

/** Parts that the steps of a run are split into; a curve has at most one point of each, the mean. Two for every column. */
const parts = 200

/** Points of one curve as they come. */
class Curve<Record> {
  readonly points: SparkPoint[] = []
  last: Record | null = null
  #part = -1
  #count = 0

  add(record: Record, { x, y }: SparkPoint, steps: number): void {
    this.last = record
    const part = Math.floor((parts * x) / Math.max(1, steps))
    const mean = this.points.at(-1)
    if (part !== this.#part || !mean) {
      this.points.push({ x, y })
      this.#part = part
      this.#count = 1
      return
    }
    this.#count++
    mean.x += (x - mean.x) / this.#count
    mean.y += (y - mean.y) / this.#count
  }
}

export interface RunCurves {
  loss: { points: readonly SparkPoint[]; last: TrainRecord | null }
  /** By name, in the order of their first measurement: the change since step 0. */
  probes: ReadonlyMap<string, { points: readonly SparkPoint[]; last: ProbeRecord | null }>
}

/** What has been read of a list of records that grows. */
class ReadRecords implements RunCurves {
  readonly loss = new Curve<TrainRecord>()
  readonly probes = new Map<string, Curve<ProbeRecord>>()
  #read = 0

  take(records: readonly MetricRecord[], steps: number): this {
    for (; this.#read < records.length; this.#read++) this.#add(records[this.#read]!, steps)
    return this
  }

  #add(record: MetricRecord, steps: number): void {
    if (record.kind === 'train') this.loss.add(record, { x: record.step, y: record.lossNats }, steps)
    if (record.kind !== 'probe') return
    const curve = this.probes.get(record.probe) ?? new Curve<ProbeRecord>()
    this.probes.set(record.probe, curve)
    curve.add(record, { x: record.step, y: record.deltaNats }, steps)
  }
}

const known = new WeakMap<readonly MetricRecord[], ReadRecords>()

/** The curves of records; only what has been added to the same list since the last time is read. */
export function curvesOf(records: readonly MetricRecord[], steps: number): RunCurves {
  const read = known.get(records) ?? new ReadRecords()
  known.set(records, read)
  return read.take(records, steps)
}
