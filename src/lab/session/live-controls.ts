import { resolve } from 'node:path'
import type { Lesson } from '../../lessons/lesson.js'
import { lessonSvg } from '../../lessons/lesson-svg.js'
import { lessonNames } from '../../lessons/lessons.js'
import type { LiveControls, LiveScore, LiveStepOptions } from '../../live/controls.js'
import { LabError } from '../../util/errors.js'
import type { TrainingRun } from './training-run.js'

/** Tokens of each held-out set that are scored when a gate was moved: a moment's work, enough to see the effect. */
const SCORED_TOKENS = 1024

/** The parts of a session that a page steers. */
export interface SteeredSession {
  readonly run: TrainingRun | null
  readonly isLoaded: boolean
  gates(): ReadonlyMap<number, number>
  gate(value: number, layer?: number): unknown
  step(which: string, options?: LiveStepOptions): Promise<Lesson>
  probe(probes: undefined, options: { maxTokens: number }): Promise<readonly LiveScore[]>
}

/** What a live page may do with a session: `LiveServer.start({ runs: [lab.runsDir], controls: liveControls(lab) })`. */
export function liveControls(lab: SteeredSession): LiveControls {
  const runAt = (dir: string): TrainingRun => {
    if (lab.run && resolve(lab.run.dir) === dir) return lab.run
    throw new LabError('LIVE_CONTROL', `${dir} is not trained by this session`)
  }
  return {
    active: () =>
      lab.run && !lab.run.isOver ? { dir: resolve(lab.run.dir), isPaused: lab.run.status === 'paused' } : null,
    pause: dir => runAt(dir).pause(),
    resume: dir => runAt(dir).resume(),
    stop: dir => runAt(dir).stop(),
    gates: () => (lab.isLoaded ? lab.gates() : new Map()),
    gate: (value, layer) => (layer === undefined ? lab.gate(value) : lab.gate(value, layer)),
    scores: async () => {
      if (lab.run && !lab.run.isOver && lab.run.status !== 'paused')
        throw new LabError('LIVE_CONTROL', 'what gates do is measured when no run goes on, or while it is paused')
      const results = await lab.probe(undefined, { maxTokens: SCORED_TOKENS })
      return results.map(({ probe, lossNats }) => ({ probe, lossNats }))
    },
    walk: { names: lessonNames, svg: async (name, options) => lessonSvg(await lab.step(name, options)) },
  }
}
