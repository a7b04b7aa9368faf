/** The real program in a real terminal: tmux runs it, and its screen is what `capture` reads. */
import { execFileSync, spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'

/** Why the tests in tmux are skipped; null when they can run. */
export const whyNoTmux: string | null =
  spawnSync('tmux', ['-V']).status === 0 ? null : 'tmux is not installed (apt-get install tmux)'

let serial = 0

export interface TmuxOptions {
  cwd: string
  columns?: number
  rows?: number
  env?: Record<string, string>
}

/** A terminal with a shell in it. */
export class Tmux {
  readonly #socket = `llama-pro-test-${process.pid}-${++serial}`

  constructor({ cwd, columns = 80, rows = 24, env = {} }: TmuxOptions) {
    // no prompt of the shell's: it may come before or after what is typed first
    const variables = { TERM: 'screen-256color', PS1: '', LC_ALL: 'C.UTF-8', ...env }
    const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
    const shell = ['env', '-u', 'CI', ...assignments, 'sh']
    const size = ['-x', String(columns), '-y', String(rows)]
    const history = ['start-server', ';', 'set-option', '-g', 'history-limit', '50000', ';']
    this.#tmux('-f', '/dev/null', ...history, 'new-session', '-d', ...size, '-c', cwd, ...shell)
  }

  /** Keys by their tmux names (`Enter`, `C-c`), each sent by itself. */
  keys(...names: string[]): void {
    for (const name of names) this.#tmux('send-keys', name)
  }

  /** Escape, and the time after which it is no longer the beginning of another key. */
  async escape(): Promise<void> {
    this.keys('Escape')
    await sleep(200)
  }

  /** Characters in one chunk, as they are. */
  type(text: string): void {
    this.#tmux('send-keys', '-l', text)
  }

  /** Characters one by one, as a person types. */
  async typeSlowly(text: string, pauseMs = 30): Promise<void> {
    for (const char of text) {
      this.type(char)
      await sleep(pauseMs)
    }
  }

  /** A paste; marked as one (bracketed) where the program has asked for it. */
  paste(text: string): void {
    this.#tmux('set-buffer', text)
    this.#tmux('paste-buffer', '-p')
  }

  resize(columns: number, rows: number): void {
    this.#tmux('resize-window', '-x', String(columns), '-y', String(rows))
  }

  /** The screen, or with `all` the scroll-back too, without blanks at the ends of lines. */
  capture({ all = false, colors = false } = {}): string {
    const range = [...(all ? ['-S', '-', '-E', '-'] : []), ...(colors ? ['-e'] : [])]
    return this.#tmux('capture-pane', '-p', ...range)
      .replace(/[ \t]+$/gm, '')
      .trimEnd()
  }

  /** What tmux knows of the pane, as of `cursor_x` or `cursor_flag`. */
  pane(variable: string): string {
    return this.#tmux('display-message', '-p', `#{${variable}}`).trim()
  }

  /** Waits until the screen fits; the screen is in the error when it does not in time. */
  async until(pattern: RegExp, { timeoutMs = 60_000, all = false } = {}): Promise<string> {
    const end = Date.now() + timeoutMs
    for (;;) {
      const screen = this.capture({ all })
      if (pattern.test(screen)) return screen
      if (Date.now() > end) throw new Error(`the screen never showed ${pattern}:\n${screen}`)
      await sleep(50)
    }
  }

  close(): void {
    spawnSync('tmux', ['-L', this.#socket, 'kill-server'])
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-L', this.#socket, ...args], { encoding: 'utf8' })
  }
}
