/** What cells ask: the first question is shown, the others wait for its answer. */
import { emptyPrompt, type PromptEffect, type PromptState } from '../editor/prompt.js'
import { textWidth } from '../editor/width.js'
import { printableLine } from '../session/output-lines.js'

/** What a cell asks, and what has been typed in answer. */
export interface Question {
  label: string
  isPassword: boolean
  answer: (text: string) => void
  state: PromptState
}

export interface QuestionsWorld {
  columns: () => number
  print: (text: string) => void
  /** The first question is another one. */
  onShown: () => void
  /** The user answers none of them. */
  onCancel: () => void
}

export class Questions {
  #waiting: Question[] = []
  readonly #world: QuestionsWorld

  constructor(world: QuestionsWorld) {
    this.#world = world
  }

  get first(): Question | undefined {
    return this.#waiting[0]
  }

  add({ prompt, isPassword, answer }: { prompt: string; isPassword: boolean; answer: (text: string) => void }): void {
    this.#waiting.push({ label: prompt, isPassword, answer, state: emptyPrompt })
    if (this.#waiting.length === 1) this.#show()
  }

  /** What a key has made of the answer to the first one. */
  do(question: Question, effect: PromptEffect): void {
    if (effect.kind === 'submit' || effect.kind === 'leave') {
      this.#waiting.shift()
      const text = effect.kind === 'submit' ? effect.text : ''
      this.#world.print(question.label + (question.isPassword ? '' : text))
      question.answer(text)
      this.#show()
    } else if (effect.kind === 'cancel') {
      this.#waiting = []
      this.#world.onCancel()
    }
  }

  /** What of the label has no room before the answer stands above it. */
  #show(): void {
    const { first } = this
    if (!first) return
    const lines = first.label.split('\n').map(printableLine)
    const isShort = textWidth(lines.at(-1)!) <= this.#world.columns() / 2
    first.label = isShort ? lines.pop()! : '> '
    if (lines.length > 0) this.#world.print(lines.join('\n'))
    this.#world.onShown()
  }
}
