/** What a cell shows of the lab's work beside its runs: warnings, and a line that follows what takes long. */
import type { Lab, RunEvents } from '../src/index.js'
import type { Display, DisplayHandle } from './evaluator/display.js'
import type { Library } from './evaluator/evaluator.js'

/** How often a line changes; what is done before that is not shown. Milliseconds. */
const PROGRESS_MS = 500

export interface NoticesWorld {
  readonly library: Pick<Library, 'formatBytes' | 'formatCount'>
  readonly display: Display
  /** The signal of the cell that is being executed. */
  readonly signal: () => AbortSignal
}

/** Writes the warnings of loads and runs to the standard error of the cell that started them, and shows how far long work is. */
export function showNotices({ events }: Pick<Lab, 'events'>, world: NoticesWorld): void {
  events.on('warning', ({ message }) => process.stderr.write(`warning: ${message}\n`))
  // by cell: work that was interrupted or failed never says that it is over, and the next cell has lines of its own
  const lines = new WeakMap<AbortSignal, Map<string, ProgressLine>>()
  events.on('progress', progress => {
    const signal = world.signal()
    const ofCell = lines.get(signal) ?? new Map<string, ProgressLine>()
    lines.set(signal, ofCell)
    const line = ofCell.get(progress.label) ?? new ProgressLine(world)
    ofCell.set(progress.label, line)
    if (line.tell(progress)) ofCell.delete(progress.label)
  })
}

/** One line below a cell that follows some work. */
class ProgressLine {
  readonly #world: NoticesWorld
  #shown: DisplayHandle | null = null
  #timer: NodeJS.Timeout | null = null
  #progress!: RunEvents['progress']

  constructor(world: NoticesWorld) {
    this.#world = world
  }

  /** Returns whether the work is over. */
  tell(progress: RunEvents['progress']): boolean {
    this.#progress = progress
    const isOver = progress.total > 0 && progress.done >= progress.total
    if (!isOver) this.#timer ??= setTimeout(() => this.#draw(), PROGRESS_MS)
    else {
      if (this.#timer) clearTimeout(this.#timer)
      if (this.#shown) this.#draw()
    }
    return isOver
  }

  #draw(): void {
    this.#timer = null
    const bundle = { 'text/plain': progressText(this.#progress, this.#world.library) }
    if (this.#shown) this.#shown.update(bundle, { raw: true })
    else this.#shown = this.#world.display(bundle, { raw: true })
  }
}

/** `downloading hf://a/b: 1.50 MB of 6.00 MB (25 %)` */
function progressText({ label, done, total, unit }: RunEvents['progress'], library: NoticesWorld['library']): string {
  const amount = unit === 'bytes' ? library.formatBytes : library.formatCount
  if (total <= 0) return `${label}: ${amount(done)}`
  return `${label}: ${amount(done)} of ${amount(total)} (${Math.floor((100 * done) / total)} %)`
}
