import { describe, expect, it } from 'vitest'
import { fullRunBeside } from '../../src/lab/session/run-shelf.js'
import type { TrainingRun } from '../../src/lab/session/training-run.js'
import type { LessonSubject, TaughtRun } from '../../src/lessons/subject.js'
import { train as lesson } from '../../src/lessons/train.js'
import { numbered, probe, train } from '../forgetting/support.js'

const runOf = (name: string): TaughtRun => {
  const inputs = [0, 1, 2].flatMap(step => [probe(step, 'general', step), probe(step, 'code', -step), train(step, 3)])
  return { name, records: numbered(inputs) }
}

/** Name of each line of the two figures of the lesson, and whether it is pale. */
function drawn(subject: Pick<LessonSubject, 'run' | 'fullRun'>): [name: string, isPale: boolean][][] {
  const figures = lesson(subject as LessonSubject).parts.flatMap(part => (part.kind === 'figure' ? [part.figure] : []))
  return figures.map(({ panels }) =>
    panels[0]!.series.flatMap(series =>
      series.kind === 'line' ? [[series.name, series.faint] as [string, boolean]] : [],
    ),
  )
}

describe('the lesson about training', () => {
  it('draws the full fine-tune of the session pale behind the newest run, without bands', () => {
    const subject = { run: runOf('expansion'), fullRun: runOf('full') }
    const [loss, forgetting] = drawn(subject)
    expect(loss).toEqual([
      ['expansion (raw)', true],
      ['full', true],
      ['expansion', false],
    ])
    expect(forgetting).toEqual([
      ['general · full', true],
      ['code · full', true],
      ['general · expansion', false],
      ['code · expansion', false],
    ])
    const figures = lesson(subject as unknown as LessonSubject).parts.flatMap(part =>
      part.kind === 'figure' ? [part.figure] : [],
    )
    expect(figures[1]!.panels[0]!.series.filter(series => series.kind === 'band')).toHaveLength(2)
    expect(drawn({ run: subject.run, fullRun: null })[1]).toHaveLength(2)
  })

  it('takes for it the newest earlier run that trained all weights', () => {
    const run = (dir: string, train: string[]) => ({ dir, recipe: { train } }) as unknown as TrainingRun
    const [full, second, added] = [run('a', ['all']), run('b', ['all']), run('c', ['added'])]
    expect(fullRunBeside([full!, second!, added!])).toBe(second)
    expect(fullRunBeside([added!, full!])).toBeNull()
    // one that was resumed is not compared with its own beginning
    expect(fullRunBeside([full!, run('a', ['all'])])).toBeNull()
    expect(fullRunBeside([])).toBeNull()
  })
})
