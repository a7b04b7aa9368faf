/** `:step`: which panel is open, and its lines when they have been computed. */
import type { Lab } from '../../src/index.js'
import type { Key } from '../editor/keys.js'
import type { StepPanel } from '../steps/panels.js'
import type { StepView } from '../ui/view.js'

interface WalkOptions {
  panels: readonly StepPanel[]
  lab: Lab
  size: () => { columns: number; rows: number; color: boolean }
  onChange: () => void
}

/** A walk through panels; a panel is computed when it is opened. */
export class StepWalk {
  readonly #options: WalkOptions
  #index: number
  #lines: readonly string[] = []

  constructor(first: number, options: WalkOptions) {
    this.#options = options
    this.#index = Math.min(Math.max(1, Math.trunc(first)), options.panels.length) - 1
    this.#open()
  }

  get view(): StepView {
    const { panels } = this.#options
    return { index: this.#index + 1, count: panels.length, title: panels[this.#index]!.title, lines: this.#lines }
  }

  /** False when the key ends the walk. */
  press({ name, ctrl }: Key): boolean {
    if (name === 'escape' || (ctrl && (name === 'c' || name === 'd' || name === 'g'))) return false
    const direction =
      name === 'left' || name === 'up' ? -1 : name === 'right' || name === 'down' || name === 'enter' ? 1 : 0
    const next = this.#index + direction
    if (direction === 0 || next < 0 || next >= this.#options.panels.length) return true
    this.#index = next
    this.#open()
    return true
  }

  #open(): void {
    const { panels, lab, size, onChange } = this.#options
    const index = this.#index
    this.#lines = ['computing ...']
    const show = (lines: readonly string[]) => {
      if (index !== this.#index) return
      this.#lines = lines
      onChange()
    }
    Promise.resolve()
      .then(() => panels[index]!.lines(lab, size()))
      .then(show, (error: unknown) => show([error instanceof Error ? error.message : String(error)]))
  }
}
