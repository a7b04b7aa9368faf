import { resolve } from 'node:path'
import type { Lesson } from '../../lessons/lesson.js'
import { lessonSvg } from '../../lessons/lesson-svg.js'
import { lessonNames } from '../../lessons/lessons.js'
import type { LiveControls } from '../../live/controls.js'
import { LabError } from '../../util/errors.js'
import type { TrainingRun } from './training-run.js'

/** The parts of a session that a page steers. */
export interface SteeredSession {
  readonly run: TrainingRun | null
  readonly isLoaded: boolean
  gates(): ReadonlyMap<number, number>
  gate(value: number, layer?: number): unknown
  step(which: string, options?: { prompt?: string }): Promise<Lesson>
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
    walk: { names: lessonNames, svg: async (name, options) => lessonSvg(await lab.step(name, options)) },
  }
}
