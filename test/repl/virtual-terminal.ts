/** A terminal in memory, as far as our screen uses one: text, line feeds, cursor moves, erasing, scroll-back. */
import { graphemes, graphemeWidth } from '../../repl/editor/width.js'

export class VirtualTerminal {
  columns: number
  rows: number
  /** Everything that has been on the screen, the screen last. */
  lines: string[][] = [[]]
  bytes = 0
  writes = 0
  isCursorShown = true
  #x = 0
  #y = 0

  constructor(columns = 80, rows = 24) {
    this.columns = columns
    this.rows = rows
  }

  get top(): number {
    return Math.max(0, this.lines.length - this.rows)
  }

  get cursor(): { x: number; y: number } {
    return { x: this.#x, y: this.#y }
  }

  /** All lines without colours and without blanks at their ends. */
  text(): string[] {
    return this.lines.map(line =>
      Array.from(line, cell => cell ?? ' ')
        .join('')
        .trimEnd(),
    )
  }

  write(text: string): boolean {
    this.bytes += Buffer.byteLength(text)
    this.writes++
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with a control character
    for (const part of text.split(/(\u001b\[[0-9;?]*[A-Za-z]|\r|\n)/)) if (part !== '') this.#take(part)
    return true
  }

  #take(part: string): void {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with a control character
    const sequence = /^\u001b\[(\??)([0-9;]*)([A-Za-z])$/.exec(part)
    if (sequence) this.#control(sequence[1] === '?', Number(sequence[2]!.split(';')[0]) || 0, sequence[3]!)
    else if (part === '\r') this.#x = 0
    else if (part === '\n') this.#down()
    else for (const one of graphemes(part)) this.#put(one)
  }

  #control(isPrivate: boolean, number: number, letter: string): void {
    if (isPrivate) {
      if (number === 25) this.isCursorShown = letter === 'h'
      return
    }
    const line = this.lines[this.#y]!
    if (letter === 'A') this.#y = Math.max(this.top, this.#y - (number || 1))
    else if (letter === 'B') this.#y = Math.min(this.lines.length - 1, this.#y + (number || 1))
    else if (letter === 'G') this.#x = (number || 1) - 1
    else if (letter === 'K') line.length = Math.min(line.length, this.#x)
    else if (letter === 'J' && number === 0) {
      line.length = Math.min(line.length, this.#x)
      this.lines.length = this.#y + 1
    } else if (letter === 'J') {
      // erasing the screen pushes what was on it out of view
      this.lines.push(...Array.from({ length: this.rows }, () => []))
      this.#y = this.top
    } else if (letter === 'H') this.#y = this.top
    else if (letter !== 'm') throw new Error(`unexpected escape sequence ${letter}`)
  }

  #down(): void {
    this.#y++
    if (this.#y === this.lines.length) this.lines.push([])
  }

  #put(one: string): void {
    const width = graphemeWidth(one)
    if (this.#x + width > this.columns) {
      this.#x = 0
      this.#down()
    }
    const line = this.lines[this.#y]!
    line[this.#x] = one
    if (width === 2) line[this.#x + 1] = ''
    this.#x += width
  }
}
