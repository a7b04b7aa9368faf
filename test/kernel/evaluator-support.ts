import type { Evaluator } from '../../kernel/evaluator/evaluator.js'
import type { CellOutput, CellResult, RunCellOptions } from '../../kernel/evaluator/types.js'

export interface Ran {
  result: CellResult
  outputs: CellOutput[]
  /** What went to stdout so far. */
  stdout(): string
  stderr(): string
  /** Plain text of the last expression; of a cell that failed, its failure. */
  readonly text: unknown
  /** Name and message of the error, or an empty string. */
  readonly failure: string
}

/** Runs a cell and collects what it puts out, also later. */
export async function runCell(evaluator: Evaluator, code: string, options: Partial<RunCellOptions> = {}): Promise<Ran> {
  const outputs: CellOutput[] = []
  const result = await evaluator.run(code, { onOutput: output => outputs.push(output), ...options })
  const stream = (name: string) =>
    outputs.map(output => (output.kind === 'stream' && output.name === name ? output.text : '')).join('')
  const failure = result.status === 'error' ? `${result.error.ename}: ${result.error.evalue}` : ''
  return {
    result,
    outputs,
    stdout: () => stream('stdout'),
    stderr: () => stream('stderr'),
    text: result.status === 'ok' ? result.value?.['text/plain'] : failure,
    failure,
  }
}

export const sleep = (timeoutMs: number): Promise<void> => new Promise(resolve => setTimeout(resolve, timeoutMs))
