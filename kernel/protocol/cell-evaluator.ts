/** What the protocol needs of an evaluator: the class `Evaluator` of kernel/evaluator, or a small one in a test. */

import type { CellResult, Completeness, Completion, MimeBundle, RunCellOptions } from '../evaluator/types.js'

export type {
  CellError,
  CellOutput,
  CellResult,
  Completeness,
  Completion,
  MimeBundle,
  RunCellOptions,
} from '../evaluator/types.js'

export interface CellEvaluator {
  run(code: string, options: RunCellOptions): Promise<CellResult>
  complete(code: string, cursor: number): Completion
  inspect(code: string, cursor: number, detail: 0 | 1): MimeBundle | null
  isComplete(code: string): Completeness
  /** Stops the running cell, and lowers the flag in `interruptBuffer`. */
  interrupt(): void
  readonly interruptBuffer: SharedArrayBuffer
  dispose(): Promise<void>
}
