import { AsyncLocalStorage } from 'node:async_hooks'
import type { CellOutput, MimeBundle, RunCellOptions } from './types.js'

/** Thrown inside a cell that was interrupted; not an error of the user's program. */
export class Interrupted extends Error {
  constructor(message = 'the cell was interrupted; what it had declared is kept') {
    super(message)
    this.name = 'Interrupted'
  }
}

/** A cell was interrupted before it could fill the heap, which would have ended the process. */
export class HeapNearlyFull extends Interrupted {
  constructor(usedBytes: number, limitBytes: number) {
    const [used, limit] = [usedBytes, limitBytes].map(bytes => Math.round(bytes / 2 ** 20).toLocaleString('en'))
    super(
      `the cell was stopped because the JavaScript heap was nearly full: its limit is ${limit} MiB, and ${used} MiB are still in use after ` +
        'it was stopped. What the cell had declared is kept: release what is large (name = undefined), or start with a larger heap ' +
        '(NODE_OPTIONS=--max-old-space-size=<MiB>)',
    )
    this.name = 'HeapNearlyFull'
  }
}

const BATCH_MS = 20
const BATCH_CHARS = 1 << 16

/** Cells whose last writes have not been sent yet. */
const unsent = new Set<Cell>()

/** Sends what cells, those that have ended too, have written within the last moment. */
export function flushCells(): void {
  for (const cell of [...unsent]) cell.flush()
}

/** One execution of a cell: where its output goes, now and when a timer that it started fires long after. */
export class Cell {
  /** Number shown to the user: `In[count]`. */
  readonly count: number
  /** Whether the cell is kept: it has a number of its own, and its source and result can be recalled. */
  readonly isCounted: boolean
  readonly options: RunCellOptions
  /** Displays that are still being rendered, and those that could not be. */
  readonly pending = new Set<Promise<unknown>>()
  readonly #abort = new AbortController()
  #result: { value: unknown } | undefined
  #text = ''
  #name: 'stdout' | 'stderr' = 'stdout'
  #timer: NodeJS.Timeout | undefined
  #flushedAt = 0
  #hasEnded = false

  constructor(count: number, options: RunCellOptions & { isCounted?: boolean }) {
    this.count = count
    this.isCounted = options.isCounted ?? true
    this.options = options
  }

  /** Aborted when the cell is interrupted. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get wasInterrupted(): boolean {
    return this.signal.aborted
  }

  /** Whether what goes wrong from now on is no longer in the result of the cell. */
  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** The cell is done; what it has started may go on and put out more. */
  end(): void {
    this.flush()
    this.#hasEnded = true
  }

  /** Stops the cell: what it still puts out is dropped, what it awaits is abandoned. */
  interrupt(): void {
    if (this.wasInterrupted) return
    this.flush()
    this.#abort.abort(new Interrupted())
  }

  setResult(value: unknown): void {
    this.#result = { value }
  }

  takeResult(): unknown {
    const value = this.#result?.value
    this.#result = undefined
    return value
  }

  /** Writes to stderr at once, also when the cell was interrupted: for what has to be said whatever became of the cell. */
  writeLate(text: string): void {
    this.flush()
    this.#put({ kind: 'stream', name: 'stderr', text })
  }

  /** Writes to a stream of the cell; writes of one moment become one output. */
  write(name: 'stdout' | 'stderr', text: string): void {
    if (this.wasInterrupted || text === '') return
    if (this.options.isUnbuffered) this.#send({ kind: 'stream', name, text })
    else this.#gather(name, text)
  }

  #gather(name: 'stdout' | 'stderr', text: string): void {
    if (name !== this.#name) this.flush()
    this.#name = name
    this.#text += text
    const now = performance.now()
    if (this.#timer === undefined && this.#text.length === text.length) this.#flushedAt = Math.max(this.#flushedAt, now)
    // A cell that computes without a pause never lets the timer fire: it is flushed from here.
    if (this.#text.length >= BATCH_CHARS || now - this.#flushedAt >= 2 * BATCH_MS) this.flush()
    else {
      this.#timer ??= setTimeout(() => this.flush(), BATCH_MS)
      unsent.add(this)
    }
  }

  display(
    data: MimeBundle,
    options: { metadata?: Record<string, unknown>; displayId?: string; isUpdate?: boolean },
  ): void {
    const { metadata = {}, displayId, isUpdate = false } = options
    this.flush()
    this.#send({ kind: 'display', data, metadata, isUpdate, ...(displayId === undefined ? {} : { displayId }) })
  }

  clear(wait: boolean): void {
    this.flush()
    this.#send({ kind: 'clear', wait })
  }

  /** Sends what has been written so far. */
  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    unsent.delete(this)
    this.#flushedAt = performance.now()
    const text = this.#text
    this.#text = ''
    if (text !== '') this.#send({ kind: 'stream', name: this.#name, text })
  }

  #send(output: CellOutput): void {
    if (!this.wasInterrupted) this.#put(output)
  }

  // Outside the cell's context: what the front end starts in response is not the cell's.
  #put(output: CellOutput): void {
    cellStorage.exit(() => this.options.onOutput(output))
  }
}

/** The cell that started the code that is running now, through awaits, timers and callbacks. */
export const cellStorage = new AsyncLocalStorage<Cell>()
