import { runFigure } from '../forgetting/figures.js'
import { LabError } from '../util/errors.js'
import type { Lesson } from './lesson.js'
import type { LessonSubject } from './subject.js'

/** Lesson 7: what a run learns and forgets, from its records. */
export function train({ run, fullRun }: LessonSubject): Lesson {
  if (!run)
    throw new LabError(
      'LESSON',
      'this lesson is about a run: start one with lab.train(), and look again while it goes on',
    )
  const runs = [run, ...(fullRun ? [fullRun] : [])].map(({ name, records }) => ({ name, records: [...records] }))
  const options = { ghosts: fullRun ? [fullRun.name] : [] }
  const compared = fullRun ? ` The pale lines are ${fullRun.name}, which trains all weights.` : ''
  return {
    number: 7,
    name: 'train',
    title: 'Learning and forgetting',
    parts: [
      {
        kind: 'text',
        text: `Loss of the training text, and of each held-out text against its value before the first step: below zero it is learned, above zero forgotten.${compared}`,
      },
      { kind: 'figure', figure: runFigure('loss', runs, options) },
      { kind: 'figure', figure: runFigure('forgetting', runs, options) },
    ],
  }
}
