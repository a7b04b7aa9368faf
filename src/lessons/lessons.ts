/** The nine lessons of the walk through block expansion, in order. */
import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'
import { contribution } from './contribution.js'
import { copy } from './copy.js'
import { firstStep } from './first-step.js'
import { freeze } from './freeze.js'
import { ladder } from './ladder.js'
import type { Lesson } from './lesson.js'
import { proof } from './proof.js'
import { questions, quiz } from './quiz.js'
import type { LessonOptions, LessonSubject } from './subject.js'
import { train } from './train.js'
import { zero } from './zero.js'

type Teach = (subject: LessonSubject, options: LessonOptions) => Lesson | Promise<Lesson>

const lessons: Record<string, Teach> = {
  ladder,
  copy,
  zero,
  proof,
  'first-step': firstStep,
  freeze,
  train,
  contribution,
  quiz,
}

export const lessonNames: readonly string[] = Object.keys(lessons)

/** @param which number from 1 to 9, or name. @throws LabError LESSON for one that is not, or that the session is not ready for */
export async function lessonOf(
  which: number | string,
  subject: LessonSubject,
  options: LessonOptions = {},
): Promise<Lesson> {
  const name = typeof which === 'number' ? lessonNames[which - 1] : which
  const teach = name === undefined || !Object.hasOwn(lessons, name) ? undefined : lessons[name]
  if (!teach) {
    const near = typeof which === 'string' ? didYouMean(which, lessonNames) : ''
    throw new LabError(
      'LESSON',
      `no lesson ${JSON.stringify(which)}; there are 1 to ${lessonNames.length}: ${lessonNames.join(', ')}.${near}`,
    )
  }
  return teach(subject, options)
}

/** Whether an answer to a question of the quiz is right, and why. @throws LabError LESSON for a question or choice that is not there */
export function checkAnswer(question: number, choice: string): { right: boolean; text: string } {
  const asked = questions[question - 1]
  if (!asked) throw new LabError('LESSON', `there are questions 1 to ${questions.length}`)
  const given = choice.trim().toLowerCase().charCodeAt(0) - 'a'.charCodeAt(0)
  if (asked.choices[given] === undefined)
    throw new LabError('LESSON', `answer with a, b or c, got ${JSON.stringify(choice)}`)
  const right = given === asked.answer
  const verdict = right ? 'Right' : `No: ${'abc'[asked.answer]}, ${asked.choices[asked.answer]}`
  return { right, text: `${verdict}. ${asked.why}` }
}
