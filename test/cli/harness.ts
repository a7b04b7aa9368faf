import { Writable } from 'node:stream'
import { runCli } from '../../repl/cli/program.js'

/** A stream that keeps what is written to it; with columns it passes for a terminal. */
export class Capture extends Writable {
  text = ''
  readonly isTTY: boolean
  readonly columns: number | undefined

  constructor(columns?: number) {
    super()
    this.isTTY = columns !== undefined
    this.columns = columns
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

export interface CliOptions {
  env?: Record<string, string>
  signal?: AbortSignal
  /** Columns of a terminal on stdout; default none. */
  columns?: number
}

export interface CliResult {
  code: number
  stdout: string
  stderr: string
}

/** Runs one command line in this process. */
export async function cliWith({ env = {}, signal, columns }: CliOptions, ...argv: string[]): Promise<CliResult> {
  const stdout = new Capture(columns)
  const stderr = new Capture()
  const code = await runCli(argv, { stdout, stderr, env, signal: signal ?? new AbortController().signal })
  return { code, stdout: stdout.text, stderr: stderr.text }
}

export function cli(...argv: string[]): Promise<CliResult> {
  return cliWith({}, ...argv)
}

/** Runs a command line with `--json`; stdout must be one document. */
export async function cliJson<T = Record<string, unknown>>(...argv: string[]): Promise<CliResult & { value: T }> {
  const result = await cli(...argv, '--json')
  return { ...result, value: JSON.parse(result.stdout) as T }
}
