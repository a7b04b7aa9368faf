/** What a session takes and what it tells. */
import type { GenerateOptions } from '../../model/generate.js'
import type { EngineOptions } from '../engines.js'
import type { RunEvents } from '../run-events.js'
import type { TrainingRun } from './training-run.js'

/** What a session tells while it works; the events of the newest run are among them. */
export interface LabEvents extends RunEvents {
  /** Something that a front may be showing has changed. */
  state: { what: 'model' | 'plan' | 'freeze' | 'data' | 'gates' | 'run' | 'device' }
  /** A run has started. */
  run: { run: TrainingRun }
}

export interface LabOptions extends EngineOptions {
  /** Where relative paths start (default the process's working directory). */
  cwd?: string
  /** Default `cpu`. */
  device?: string
  /** Default `runs` below cwd. */
  runsDir?: string
  /** The signal of the cell or command that is being executed: what it starts ends with it. */
  signal?: () => AbortSignal | undefined
}

export interface LabGenerateOptions extends Partial<GenerateOptions> {
  /** Called with each piece of text as it is found. */
  onText?: (piece: string) => void
}
