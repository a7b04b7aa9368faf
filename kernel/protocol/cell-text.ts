import type { TextRingWriter } from './text-ring.js'
import type { Header } from './wire.js'

type StreamName = 'stdout' | 'stderr'

/** Characters that one cell may print, far more than a page can show; a loop that prints for ever ends there. */
export const maxCellChars = 256 * 2 ** 20

/** What one request prints. Text beyond the limit is cut, and the cell says so: where it begins, and how much it was in the end. */
export class CellText {
  readonly #parent: Header | null
  readonly #ring: Pick<TextRingWriter, 'write'>
  readonly #maxChars: number
  #chars = 0
  #cutChars = 0

  constructor(parent: Header | null, ring: Pick<TextRingWriter, 'write'>, maxChars = maxCellChars) {
    this.#parent = parent
    this.#ring = ring
    this.#maxChars = maxChars
  }

  write(name: StreamName, text: string): void {
    const room = this.#maxChars - this.#chars
    if (room > 0 && this.#ring.write({ parent: this.#parent, name }, text.slice(0, room))) {
      this.#chars += Math.min(text.length, room)
      if (text.length <= room) return
      this.#note(`output cut here: a cell shows at most ${this.#maxChars.toLocaleString('en')} characters`)
      this.#cutChars += text.length - room
    } else this.#cutChars += text.length
  }

  /** The cell has ended: says how much was cut. */
  end(): void {
    if (this.#cutChars > 0) this.#note(`${this.#cutChars.toLocaleString('en')} characters of output were cut`)
    this.#cutChars = 0
  }

  #note(text: string): void {
    this.#ring.write({ parent: this.#parent, name: 'stderr' }, `\n[${text}]\n`)
  }
}
