import type { ExpansionOptions } from '../expansion/plan.js'
import { LabError } from '../util/errors.js'

/**
 * What a watcher with the write token may ask of the session that trains. Runs are named by their absolute directory. Each method may
 * throw a LabError, whose message the watcher sees.
 */
export interface LiveControls {
  /** The run that this session can steer now, and whether it is paused; null when none goes on. */
  active(): { dir: string; isPaused: boolean } | null
  pause(runDir: string): void | Promise<void>
  resume(runDir: string): void | Promise<void>
  /** Ends the run after its step, with a checkpoint. */
  stop(runDir: string): unknown
  /** Gates of the new blocks by layer, each in [0, 1]; empty when the model has none. */
  gates(): ReadonlyMap<number, number>
  /** Sets the gate of one new block, or of all. */
  gate(value: number, layer?: number): unknown
  /** The loss on each held-out set with the gates as they are, on a few tokens; absent where nothing can be scored. */
  scores?(): Promise<readonly LiveScore[]>
  /** The walk through block expansion; absent where there is none. */
  readonly walk?: LiveWalk
}

/** What a gate did: the loss on one held-out set. */
export interface LiveScore {
  probe: string
  lossNats: number
}

/** What a step may be asked for. */
export interface LiveStepOptions {
  /** A text of the reader's own; steps have one for those who give none. */
  prompt?: string
  /** New blocks that the ladder shows instead of those of the session. */
  expansion?: Pick<ExpansionOptions, 'groups' | 'placement'>
}

/** Steps that a session computes from its live model when they are asked for. */
export interface LiveWalk {
  /** Their names, in order. */
  readonly names: readonly string[]
  /** One of them as an SVG picture. */
  svg(name: string, options?: LiveStepOptions): Promise<string>
}

/** One wish of a watcher. */
export type ControlRequest =
  | { action: 'pause' | 'resume' | 'stop'; runDir: string }
  | { action: 'gate'; value: number; layer?: number | undefined }

/**
 * Does what a watcher asks.
 * @throws LabError LIVE_CONTROL when there is no session behind the server or it does not train that run
 */
export async function control(controls: LiveControls | null, request: ControlRequest): Promise<void> {
  if (!controls) throw new LabError('LIVE_CONTROL', 'this server only watches: no session is behind it')
  if (request.action === 'gate') {
    const { value, layer } = request
    await (layer === undefined ? controls.gate(value) : controls.gate(value, layer))
    return
  }
  if (controls.active()?.dir !== request.runDir)
    throw new LabError('LIVE_CONTROL', `${request.runDir} is not trained by this session`)
  // a stop resolves when the run has ended, which the watcher sees anyway
  if (request.action === 'stop') void Promise.resolve(controls.stop(request.runDir)).catch(() => undefined)
  else await controls[request.action](request.runDir)
}
