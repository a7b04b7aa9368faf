/** `:step`: which lesson is open, its lines when they have been computed, and how far it is scrolled. */
import { type Lab, type LessonOptions, lessonNames, lessonText, messageOf } from '../../src/index.js'
import type { Key } from '../editor/keys.js'
import type { StepView } from '../ui/view.js'

interface WalkOptions {
  lab: Lab
  /** A text of the reader's own, an expansion to look at. */
  options: LessonOptions
  size: () => { columns: number; rows: number; color: boolean }
  onChange: () => void
  /** A lesson is shown for the first time. */
  onShown: (index: number, text: string) => void
}

/** Milliseconds that a lesson must be open before it is computed: who walks past it does not wait for it. */
const restMs = 150

/** A walk through the lessons on the live model; one at a time is computed, when it has been opened. */
export class StepWalk {
  readonly #options: WalkOptions
  #index: number
  #title = ''
  #lines: readonly string[] = []
  #top = 0
  readonly #shown = new Set<number>()
  /** Aborted when the lesson that is open is left. */
  #left = new AbortController()
  /** Ends when nothing is computed any more. */
  #computed: Promise<void> = Promise.resolve()

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
    if (name === 'escape' || text === 'q' || (ctrl && 'cdg'.includes(name))) {
      this.#left.abort()
      return false
    }
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
    this.#left.abort()
    this.#left = new AbortController()
    const { signal } = this.#left
    const before = this.#computed
    this.#show(lessonNames[this.#index - 1]!, ['computing ...'])
    const rested = new Promise(resolve => setTimeout(resolve, restMs))
    this.#computed = Promise.all([before, rested]).then(() => this.#compute(signal))
  }

  async #compute(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return
    const { lab, options, size, onShown } = this.#options
    const index = this.#index
    try {
      const lesson = await lab.step(index, { ...options, signal })
      const { columns: width, color } = size()
      if (signal.aborted) return
      this.#show(lesson.title, lessonText(lesson, { width, color }).slice(2))
      if (this.#shown.has(index)) return
      this.#shown.add(index)
      onShown(index, lessonText(lesson, { width: 100 }).join('\n'))
    } catch (error) {
      if (!signal.aborted) this.#show(lessonNames[this.#index - 1]!, [messageOf(error)])
    }
  }

  #show(title: string, lines: readonly string[]): void {
    this.#title = title
    this.#lines = lines
    this.#top = 0
    this.#options.onChange()
  }
}
