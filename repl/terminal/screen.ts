/** The part of the terminal that is drawn again and again: a few lines at the end, under everything that has been printed. */
import { textWidth } from '../editor/width.js'
import { lineUpdate } from './line-update.js'

export interface Frame {
  /** Lines that fit the width, fewer than the terminal has. */
  lines: readonly string[]
  /** Column and line of the cursor; null hides it. */
  cursor: { x: number; y: number } | null
}

/** What is needed of a terminal. */
export interface Terminal {
  write(text: string): unknown
  readonly columns?: number
  readonly rows?: number
}

const csi = '\u001b['
/** Terminals that know it show everything between at once (DEC mode 2026); others pass it over. */
const beginUpdate = `${csi}?2026h${csi}?25l`
const endUpdate = `${csi}?2026l`
const showCursor = `${csi}?25h`
const clearLineEnd = `${csi}K`
const clearBelow = `${csi}J`
/** Pastes come marked as such (bracketed paste). */
const pasteOn = `${csi}?2004h`
const pasteOff = `${csi}?2004l`

/**
 * Draws frames by writing only the lines that differ from the frame before. Ink's own incremental rendering is off by a line
 * (6.8.0), and its other way writes every line again: about 2 kB a frame where this writes 0.1 to 0.3.
 */
export class Screen {
  readonly #terminal: Terminal
  #frame: Frame = { lines: [], cursor: null }
  /** Line of the frame that the cursor is on. */
  #at = 0
  #isOpen = false
  #isLost = false

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  get columns(): number {
    return this.#terminal.columns || 80
  }

  get rows(): number {
    return this.#terminal.rows || 24
  }

  open(): void {
    if (this.#isOpen) return
    this.#isOpen = true
    this.#write(pasteOn)
  }

  /** Draws a frame in the place of the one before. */
  draw(frame: Frame): void {
    if (!this.#isOpen) return
    const changes = this.#changes(frame)
    const cursor = this.#toCursor(frame.cursor)
    const isSame =
      changes === '' && frame.cursor?.x === this.#frame.cursor?.x && frame.cursor?.y === this.#frame.cursor?.y
    this.#frame = frame
    if (!isSame) this.#write(changes === '' ? cursor : `${beginUpdate}${changes}${cursor}${endUpdate}`)
  }

  /** Writes finished lines above the frame; they belong to the terminal's scroll-back from then on. */
  print(text: string): void {
    if (!this.#isOpen) {
      this.#write(`${text}\n`)
      return
    }
    const frame = this.#frame
    const erased = `${this.#toTop()}${clearBelow}`
    this.#forget()
    const drawn = this.#changes(frame)
    this.#write(
      `${beginUpdate}${erased}${text.replaceAll('\n', '\r\n')}\r\n${drawn}${this.#toCursor(frame.cursor)}${endUpdate}`,
    )
    this.#frame = frame
  }

  /** The terminal has another width: what it has made of the old frame is erased. */
  resized(): void {
    if (!this.#isOpen) return
    const { lines, cursor } = this.#frame
    const rowsOf = (width: number) => Math.max(1, Math.ceil(width / this.columns))
    const above = lines.slice(0, this.#at).reduce((sum, line) => sum + rowsOf(textWidth(line)), 0)
    const within = cursor ? Math.floor(cursor.x / this.columns) : 0
    this.#write(`${up(above + within)}\r${clearBelow}`)
    this.#forget()
  }

  /** Empties the whole screen; the scroll-back stays. */
  clear(): void {
    const frame = this.#frame
    this.#write(`${csi}H${csi}2J`)
    this.#forget()
    this.draw(frame)
  }

  /** Writes nothing any more: the terminal is gone. */
  abandon(): void {
    this.#isLost = true
  }

  /** Takes the frame away and leaves the terminal as it was found. */
  close(): void {
    if (!this.#isOpen) return
    this.#write(`${this.#toTop()}${clearBelow}${pasteOff}${showCursor}`)
    this.#forget()
    this.#isOpen = false
  }

  #write(text: string): void {
    if (!this.#isLost) this.#terminal.write(text)
  }

  #forget(): void {
    this.#frame = { lines: [], cursor: null }
    this.#at = 0
  }

  #toTop(): string {
    return `${up(this.#at)}\r`
  }

  /** What makes the old lines the new ones; leaves the cursor on the last line written. */
  #changes({ lines }: Frame): string {
    const old = this.#frame.lines
    let out = ''
    lines.forEach((line, row) => {
      if (line === old[row]) return
      out += this.#toRow(row, old.length)
      const update = lineUpdate(old[row] ?? '', line)
      out += textWidth(line) < this.columns ? `${update}${clearLineEnd}` : update
    })
    if (lines.length >= old.length) return out
    // from the end of the last line that stays, so that no line is made
    if (lines.length === 0) return `${out}${this.#toRow(0, old.length)}${clearBelow}`
    return `${out}${this.#toRow(lines.length, old.length)}${clearBelow}`
  }

  /** Moves to a line of the frame; lines beyond those on the screen are made by line feeds. */
  #toRow(row: number, existing: number): string {
    const last = Math.max(0, existing - 1, this.#at)
    const reachable = Math.min(row, last)
    const move = reachable < this.#at ? up(this.#at - reachable) : down(reachable - this.#at)
    this.#at = row
    return `${move}\r${'\r\n'.repeat(row - reachable)}`
  }

  #toCursor(cursor: Frame['cursor']): string {
    if (!cursor) return ''
    const move = cursor.y < this.#at ? up(this.#at - cursor.y) : down(cursor.y - this.#at)
    this.#at = cursor.y
    return `${move}${csi}${cursor.x + 1}G${showCursor}`
  }
}

const up = (count: number): string => (count > 0 ? `${csi}${count}A` : '')
const down = (count: number): string => (count > 0 ? `${csi}${count}B` : '')
