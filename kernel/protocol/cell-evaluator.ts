/** What the protocol needs of an evaluator: the class `Evaluator` of kernel/evaluator, or a small one in a test. */

/** MIME type -> content. */
export type MimeBundle = Record<string, unknown>

export type CellOutput =
  | { kind: 'stream'; name: 'stdout' | 'stderr'; text: string }
  | { kind: 'display'; data: MimeBundle; metadata: Record<string, unknown>; displayId?: string; isUpdate: boolean }
  | { kind: 'clear'; wait: boolean }

export interface CellError {
  ename: string
  evalue: string
  traceback: string[]
}

export type CellResult =
  | { status: 'ok'; value?: MimeBundle; count: number }
  | { status: 'error'; error: CellError; count: number }
  | { status: 'aborted' }

export interface RunCellOptions {
  storeHistory?: boolean
  silent?: boolean
  /** Text of streams comes as it is written, not in batches. */
  isUnbuffered?: boolean
  /** Outputs of this cell, also those that come after it has ended. */
  onOutput: (output: CellOutput) => void
  input?: (prompt: string, password: boolean) => Promise<string>
}

export interface Completion {
  matches: string[]
  /** UTF-16 indices of the text that a match replaces. */
  start: number
  end: number
  types?: { text: string; type: string; start: number; end: number; signature?: string; documentation?: string }[]
}

export type Completeness = { status: 'complete' | 'invalid' | 'unknown' } | { status: 'incomplete'; indent: string }

export interface CellEvaluator {
  run(code: string, options: RunCellOptions): Promise<CellResult>
  complete(code: string, cursor: number): Completion
  inspect(code: string, cursor: number, detail: 0 | 1): MimeBundle | null
  isComplete(code: string): Completeness
  interrupt(): void
  readonly interruptBuffer: SharedArrayBuffer
  dispose(): Promise<void>
}
