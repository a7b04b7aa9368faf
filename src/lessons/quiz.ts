/** Lesson 9: questions to answer before looking; every answer explains itself. */
import type { Lesson } from './lesson.js'

export interface Question {
  readonly question: string
  readonly choices: readonly string[]
  /** Index of the right choice. */
  readonly answer: number
  /** Why, and where to see it. */
  readonly why: string
}

export const questions: readonly Question[] = [
  {
    question: 'A new block is put between two old ones. What happens to the loss of the model?',
    choices: [
      'it rises, until the block is trained',
      'nothing, to the last bit',
      'it falls, as there are more parameters',
    ],
    answer: 1,
    why: 'o_proj and down_proj are zero, so both parts of the block add 0 to the stream: x + 0 + 0 = x. Lessons 3 and 4 show the numbers.',
  },
  {
    question: 'In the first step of training, which parameters of a new block move?',
    choices: ['all of them', 'the two norms', 'o_proj and down_proj alone'],
    answer: 2,
    why: 'The gradient of every other parameter passes through one of the two zero matrices and becomes zero there. After one step they are no longer zero, and everything learns. Lesson 5.',
  },
  {
    question:
      'One could zero the two norm weights instead. The function would stay the same. Why does the paper not do it?',
    choices: ['the gradients vanish in the MLP', 'it needs more memory', 'it forgets more'],
    answer: 0,
    why: 'With zero inputs the gate and the up projection of SwiGLU are both zero; each is the factor of the other in the gradient, so that half of the block never starts. Lesson 5, right columns.',
  },
  {
    question: 'After training, all gates of the new blocks are set to 0. What is left?',
    choices: ['the base, to the last bit', 'the base with a little of what was learned', 'a model that works badly'],
    answer: 0,
    why: 'Old blocks were frozen, so without the new ones every number is computed as before. Lessons 6 and 8.',
  },
  {
    question: 'Full fine-tuning on the same data and steps reaches a lower loss on code. What does it cost?',
    choices: [
      'nothing, it is simply better',
      'general English is predicted worse than by the base',
      'the model is slower afterwards',
    ],
    answer: 1,
    why: 'All weights moved towards code, those that knew English too. The forgetting plot of both runs on the same axes shows how much.',
  },
]

/** All questions, without the answers. */
export function quiz(): Lesson {
  const parts = questions.flatMap(({ question, choices }, i) => [
    { kind: 'text' as const, text: `${i + 1}. ${question}` },
    { kind: 'table' as const, header: ['', ''], rows: choices.map((choice, c) => ['abc'[c]!, choice]) },
  ])
  const last = {
    kind: 'text' as const,
    text: "Answer with lab.answer(1, 'b'): it says whether that is right, and why.",
  }
  return { number: 9, name: 'quiz', title: 'What do you expect?', parts: [...parts, last] }
}
