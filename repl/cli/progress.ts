import { MultiBar, type SingleBar } from 'cli-progress'
import { formatBytes, formatCount, formatDuration } from '../../src/index.js'
import type { Style } from './style.js'

export interface ProgressOptions {
  /** What is being done, in a word or two. */
  label: string
  /** Default 0: not known before the first update. */
  total?: number
  /** How amounts are written; default `count`. */
  unit?: 'count' | 'bytes'
  /** Without a terminal: a line every few seconds (default), or nothing because the caller writes its own. */
  plain?: 'timed' | 'none'
}

/** What changes besides the amount. */
export interface ProgressChange {
  /** A new total. */
  total?: number
  /** The text right of the bar; default: the time that is left. */
  beside?: string
  /** The line under the bar. */
  below?: string
}

/** Where a progress view draws itself. */
export interface ProgressScreen {
  stream: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  style: Style
  /** Writes a plain line. */
  line: (text: string) => void
  /** Milliseconds; default the clock. */
  now?: () => number
}

/** How far a long work is. Stop it when the work ends, however it ends. */
export interface Progress {
  update(value: number, change?: ProgressChange): void
  /** Writes a line above the view. */
  log(line: string): void
  stop(): void
}

/** Columns of the bar on a terminal of a width: what the texts beside it leave. */
function barColumns(columns = 80): number {
  return Math.max(10, Math.min(24, columns - 68))
}

/** A bar of fixed width, `share` of it filled. */
export function barText(share: number, columns: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * columns)
  return '█'.repeat(full) + '░'.repeat(columns - full)
}

/** `12 of 40` or `1.2 MB of 8.1 MB`. */
export function amountText(value: number, total: number, unit: 'count' | 'bytes'): string {
  const format = unit === 'bytes' ? formatBytes : formatCount
  return `${format(value)} of ${format(total)}`
}

/** The time left when the rest goes as fast as what is done; empty before anything is known. */
export function timeLeft(done: number, total: number, seconds: number): string {
  return done > 0 && seconds > 0 && done < total ? `${formatDuration(((total - done) * seconds) / done)} left` : ''
}

/** A live bar on a terminal; elsewhere plain lines. */
export function startProgress(screen: ProgressScreen, options: ProgressOptions): Progress {
  return screen.stream.isTTY ? liveProgress(screen, options) : plainProgress(screen, options)
}

/** Seconds between two plain lines at least; what is done before the first has passed says nothing. */
const plainSeconds = 2

function plainProgress(screen: ProgressScreen, { label, total = 0, unit = 'count', plain }: ProgressOptions): Progress {
  const { line, now = Date.now } = screen
  let last = now()
  return {
    update(value, change = {}) {
      total = change.total ?? total
      if (plain === 'none' || now() - last < 1000 * plainSeconds) return
      last = now()
      line(`${label}: ${amountText(value, total, unit)}`)
    },
    log: line,
    stop() {},
  }
}

function liveProgress(
  { stream, style, line, now = Date.now }: ProgressScreen,
  { label, total = 0, unit = 'count' }: ProgressOptions,
): Progress {
  const started = now()
  const draw = (value: number, { beside }: ProgressChange): string => {
    const right = beside ?? timeLeft(value, total, (now() - started) / 1000)
    const share = total > 0 ? value / total : 0
    const bar = style.cyan(barText(share, barColumns(stream.columns)))
    return `${style.bold(label)}  ${bar}  ${amountText(value, total, unit)}  ${style.dim(right)}`
  }
  const multi = new MultiBar({
    stream,
    hideCursor: true,
    clearOnComplete: true,
    // an interrupt is not the end: the command stops the view when it has written what it must
    gracefulExit: false,
    fps: 12,
    format: (_options, { value }, change: ProgressChange) => draw(value, change),
  })
  let bar: SingleBar | null = null
  let second: SingleBar | null = null
  return {
    update(value, change = {}) {
      total = change.total ?? total
      bar ??= multi.create(total, value, change)
      bar.setTotal(total)
      bar.update(value, change)
      if (change.below === undefined) return
      second ??= multi.create(1, 0, {}, { format: (_options, _params, { below = '' }: ProgressChange) => below })
      second.update(0, change)
    },
    log(text) {
      // a line is written over the bar: what the bar leaves to its right is cleared
      if (bar) multi.log(`${text.replaceAll('\n', '\u001b[K\n')}\u001b[K\n`)
      else line(text)
    },
    stop() {
      if (!bar) return
      multi.update()
      multi.stop()
    },
  }
}
