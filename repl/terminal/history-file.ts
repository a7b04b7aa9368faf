/** What was typed in earlier sessions. */
import { dirname, join } from 'node:path'
import { History } from '../../kernel/protocol/history.js'
import { historyPath } from '../../kernel/state-path.js'

/** Entries that can be walked through. */
const maxShown = 5000

export interface TypedHistoryOptions {
  path?: string | null
  onProblem: (message: string) => void
}

/** The lines of earlier sessions and of this one; those of the notebook kernel have a file of their own beside it. */
export class TypedHistory {
  readonly #file: History
  readonly #entries: string[]

  /** `path`: default beside the kernel's history; null keeps it in memory. `onProblem` is told once when the file cannot be used. */
  constructor({ path = besideKernel(), onProblem }: TypedHistoryOptions) {
    this.#file = new History({ path, onProblem })
    this.#entries = this.#file.query({ access: 'tail', n: maxShown }).map(entry => entry.source)
  }

  /** The oldest first. */
  get entries(): readonly string[] {
    return this.#entries
  }

  /** A line typed twice in a row is kept once. */
  add(line: string, number: number): void {
    if (line.trim() === '' || line === this.#entries.at(-1)) return
    this.#entries.push(line)
    this.#file.add({ line: number, source: line, output: null })
  }
}

function besideKernel(): string | null {
  const kernel = historyPath()
  return kernel === null ? null : join(dirname(kernel), 'repl-history.jsonl')
}
