import type { PromptState } from '../editor/prompt.js'
import type { TypedHistory } from './history-file.js'

export interface TerminalOptions {
  cwd: string
  history: TypedHistory
  /** Shown at the first prompt; Enter runs it. */
  offer: string
  device?: string
  threads?: number
}

/** What a cell asks, and what has been typed in answer. */
export interface Question {
  label: string
  isPassword: boolean
  answer: (text: string) => void
  state: PromptState
}
