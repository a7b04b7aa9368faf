/** `:step`: which lesson is open, its lines when they have been computed, and how far it is scrolled. */
import { type Lab, lessonNames, lessonText, messageOf } from '../../src/index.js'
import type { Key } from '../editor/keys.js'
import type { StepView } from '../ui/view.js'

interface WalkOptions {
  lab: Lab
  /** A text of the reader's own; empty: that of the lessons. */
  prompt: string
  size: () => { columns: number; rows: number; color: boolean }
  onChange: () => void
}

/** A walk through the lessons on the live model; one is computed when it is opened. */
export class StepWalk {
  readonly #options: WalkOptions
  #index: number
  #title = ''
  #lines: readonly string[] = []
  #top = 0

  constructor(first: number, options: WalkOptions) {
    this.#options = options
    this.#index = Math.min(Math.max(1, Math.trunc(first)), lessonNames.length)
    this.#open()
  }

  get view(): StepView {
    return {
      index: this.#index,
      count: lessonNames.length,
      title: this.#title,
      lines: this.#lines.slice(this.#top),
      isMore: this.#lines.length > this.#options.size().rows,
    }
  }

  /** False when the key ends the walk. */
  press({ name, text, ctrl }: Key): boolean {
    if (name === 'escape' || text === 'q' || (ctrl && 'cdg'.includes(name))) return false
    const page = Math.max(1, this.#options.size().rows - 2)
    if (name === 'left') this.#go(-1)
    else if (name === 'right' || name === 'enter') this.#go(1)
    else if (name === 'up') this.#scroll(-1)
    else if (name === 'down') this.#scroll(1)
    else if (name === 'pageup') this.#scroll(-page)
    else if (name === 'pagedown' || text === ' ') this.#scroll(page)
    return true
  }

  #go(direction: -1 | 1): void {
    const next = this.#index + direction
    if (next < 1 || next > lessonNames.length) return
    this.#index = next
    this.#open()
  }

  #scroll(by: number): void {
    const last = Math.max(0, this.#lines.length - this.#options.size().rows)
    this.#top = Math.min(Math.max(0, this.#top + by), last)
  }

  #open(): void {
    const { lab, prompt, size, onChange } = this.#options
    const index = this.#index
    const show = (title: string, lines: readonly string[]) => {
      if (index !== this.#index) return
      this.#title = title
      this.#lines = lines
      this.#top = 0
      onChange()
    }
    show(lessonNames[index - 1]!, ['computing ...'])
    lab
      .step(index, prompt === '' ? {} : { prompt })
      .then(lesson => show(lesson.title, lessonText(lesson, { width: size().columns, color: size().color }).slice(2)))
      .catch((error: unknown) => show(lessonNames[index - 1]!, [messageOf(error)]))
  }
}
