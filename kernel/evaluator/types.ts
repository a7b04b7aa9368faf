/** A value in several MIME types; `text/plain` is always there. Binary types hold base64 strings. */
export type MimeBundle = Record<string, unknown>

/** What figures and lessons are drawn for as text. */
export interface TextLook {
  /** Columns. */
  width: number
  /** Lines of a figure. */
  height: number
  color: boolean
}

/** Something that a cell put out, in order. */
export type CellOutput =
  | { kind: 'stream'; name: 'stdout' | 'stderr'; text: string }
  | { kind: 'display'; data: MimeBundle; metadata: Record<string, unknown>; displayId?: string; isUpdate: boolean }
  | { kind: 'clear'; wait: boolean }

/** Why a cell failed. `traceback` is ready to print, one block of lines an entry, positions in the user's own code. */
export interface CellError {
  ename: string
  evalue: string
  traceback: string[]
}

/** `value` is the last expression, absent when it is undefined; `count` is the number of the cell: `In[count]`. */
export type CellResult =
  | { status: 'ok'; value?: MimeBundle; count: number }
  | { status: 'error'; error: CellError; count: number }
  | { status: 'aborted' }

export interface RunCellOptions {
  /** Interrupts the cell as {@link Evaluator.interrupt} does; already aborted: the cell does not start. */
  signal?: AbortSignal
  /** Whether the cell counts (default true unless `silent`). */
  storeHistory?: boolean
  /** A silent cell does not count and its value is not rendered (default false). */
  silent?: boolean
  /** Runs for nobody, to have everything loaded: an interrupt that comes meanwhile is for what the user does (default false). */
  isWarmUp?: boolean
  /** Text of streams comes as it is written, for a front end that batches it itself (default false: in batches of 20 ms). */
  isUnbuffered?: boolean
  /** The outputs of this cell, also those that come after it has ended (timers). */
  onOutput: (output: CellOutput) => void
  /** Asks the user for a line; without it `prompt()` in the cell throws. */
  input?: (prompt: string, password: boolean) => Promise<string>
}

/** A candidate with what it is; offsets as in {@link Completion}. */
export interface CompletionType {
  text: string
  type: string
  start: number
  end: number
  /** Parameters and result of a function or class. */
  signature?: string
  /** First paragraph of its documentation. */
  documentation?: string
}

/** Names that may replace the characters `start` to `end` (UTF-16 offsets) of the code. */
export interface Completion {
  matches: string[]
  start: number
  end: number
  types?: CompletionType[]
}

export type Completeness = { status: 'complete' | 'invalid' | 'unknown' } | { status: 'incomplete'; indent: string }
