import { type Progress, type ProgressOptions, startProgress } from './progress.js'
import { makeStyle, type Style, wantsColor } from './style.js'

/** A stream that may be a terminal. */
export type Stream = NodeJS.WritableStream & { isTTY?: boolean; columns?: number; rows?: number }

/** What a command knows of the world around it. */
export interface CliIo {
  stdout: Stream
  stderr: Stream
  env: Record<string, string | undefined>
  /** Aborted by the first Ctrl-C. */
  signal: AbortSignal
}

/**
 * Where a command writes. For people, the report goes to stdout. With `--json`, stdout gets exactly one document when the
 * work is done, and the report moves to stderr.
 */
export class Output {
  readonly json: boolean
  /** Styles of the report. */
  readonly style: Style
  readonly #io: CliIo
  readonly #report: Stream
  #progress: Progress | null = null
  #isFirst = true

  constructor(io: CliIo, { json }: { json: boolean }) {
    this.#io = io
    this.json = json
    this.#report = json ? io.stderr : io.stdout
    this.style = makeStyle(this.color)
  }

  /** Whether the report is read on a terminal. */
  get isTTY(): boolean {
    return this.#report.isTTY === true
  }

  /** Whether the report has colours. */
  get color(): boolean {
    return wantsColor(this.isTTY, this.#io.env)
  }

  /** Columns of the report. */
  get width(): number {
    return this.#report.columns || 80
  }

  /** Lines of the terminal. */
  get height(): number {
    return this.#report.rows || 24
  }

  /** A line (or several) of the report. */
  line(text = ''): void {
    this.#isFirst = false
    if (this.#progress && this.isTTY) this.#progress.log(text)
    else this.#report.write(`${text}\n`)
  }

  /** The title of a part of the report, set off from what stands before it by an empty line. */
  heading(text: string): void {
    this.line(`${this.#isFirst ? '' : '\n'}${this.style.bold(text)}`)
  }

  /** A piece of the result as it is, for people only. */
  piece(text: string): void {
    if (!this.json) this.#io.stdout.write(text)
  }

  /** A remark that is never part of the result. */
  note(text: string): void {
    if (this.#progress && this.isTTY) this.#progress.log(text)
    else this.#io.stderr.write(`${text}\n`)
  }

  /** Something that the user should know although the work goes on. */
  warning(text: string): void {
    this.note(`${makeStyle(wantsColor(this.#io.stderr.isTTY === true, this.#io.env)).yellow('warning:')} ${text}`)
  }

  /** The one document of `--json`; nothing without. */
  document(value: unknown): void {
    if (this.json) this.#io.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  }

  /** Shows how far a work is while it runs, and takes the view away when it ends. */
  async progress<T>(options: ProgressOptions, work: (progress: Progress) => Promise<T>): Promise<T> {
    const screen = { stream: this.#report, style: this.style, line: (text: string) => this.#report.write(`${text}\n`) }
    const progress = startProgress(screen, options)
    this.#progress = progress
    try {
      return await work(progress)
    } finally {
      progress.stop()
      this.#progress = null
    }
  }
}
