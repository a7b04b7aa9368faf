import type { TypedHistory } from './history-file.js'

export interface TerminalOptions {
  cwd: string
  history: TypedHistory
  /** Shown at the first prompt; Enter runs it. */
  offer: string
  device?: string
  threads?: number
}
