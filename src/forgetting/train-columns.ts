import type { TrainRecord } from '../train/metrics.js'

const columns = ['step', 'tokens', 'seconds', 'lossNats', 'lr', 'gradNorm', 'tokensPerSec', 'rssBytes'] as const

export type TrainColumn = (typeof columns)[number]

/** Numbers that grow at the end; memory doubles, so adding is O(1). */
class Column {
  #values = new Float64Array(256)
  #length = 0

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const wider = new Float64Array(this.#length * 2)
      wider.set(this.#values)
      this.#values = wider
    }
    this.#values[this.#length++] = value
  }

  /** The values so far; valid until the next push. */
  get values(): Float64Array {
    return this.#values.subarray(0, this.#length)
  }
}

/**
 * The train records of a run by column: 64 bytes a step and 8 a source of the mix, where an object takes some hundreds. For whoever
 * follows many long runs at once.
 */
export class TrainColumns {
  readonly #columns = new Map(columns.map(name => [name, new Column()]))
  readonly #mix = new Map<string, Column>()
  #length = 0

  /** Steps recorded. */
  get length(): number {
    return this.#length
  }

  push(record: TrainRecord): void {
    for (const [name, column] of this.#columns) column.push(record[name])
    for (const source of Object.keys(record.mix)) if (!this.#mix.has(source)) this.#mix.set(source, this.#late())
    for (const [source, column] of this.#mix) column.push(record.mix[source] ?? Number.NaN)
    this.#length++
  }

  /** One quantity at every step; borrowed, valid until the next push. */
  column(name: TrainColumn): Float64Array {
    return this.#columns.get(name)!.values
  }

  /** Tokens served so far from each source, at every step; NaN where a source had not been served yet. Borrowed. */
  mix(): { name: string; amounts: Float64Array }[] {
    return [...this.#mix].map(([name, column]) => ({ name, amounts: column.values }))
  }

  /** The column of a source that comes in now. */
  #late(): Column {
    const column = new Column()
    for (let i = 0; i < this.#length; i++) column.push(Number.NaN)
    return column
  }
}
