/** Places in a text of several lines; all of them are UTF-16 offsets. */
import { graphemes, graphemeWidth, textWidth } from './width.js'

export function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1
}

export function lineEnd(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}

/** The place before the character left of `at`; a character is what a reader takes for one. */
export function before(text: string, at: number): number {
  if (at <= 0) return 0
  const start = lineStart(text, at)
  if (start === at) return at - 1
  return at - (graphemes(text.slice(start, at)).at(-1) ?? '').length
}

/** The place after the character right of `at`. */
export function after(text: string, at: number): number {
  const end = lineEnd(text, at)
  if (end === at) return Math.min(text.length, at + 1)
  return at + (graphemes(text.slice(at, end))[0] ?? '').length
}

/** What belongs to a word, as far as its first code point tells; marks that combine go with it. */
const wordCharacter = /^[\p{L}\p{N}\p{M}_$]/u

/** The start of the word left of `at`. */
export function wordLeft(text: string, at: number): number {
  const isWord = (place: number) => wordCharacter.test(text.slice(before(text, place), place))
  let place = at
  while (place > 0 && !isWord(place)) place = before(text, place)
  while (place > 0 && isWord(place)) place = before(text, place)
  return place
}

/** The end of the word right of `at`. */
export function wordRight(text: string, at: number): number {
  const isWord = (place: number) => wordCharacter.test(text.slice(place, after(text, place)))
  let place = at
  while (place < text.length && !isWord(place)) place = after(text, place)
  while (place < text.length && isWord(place)) place = after(text, place)
  return place
}

/** Columns of the screen, from 0, that the text before a place takes in its line. */
export function columnOf(text: string, at: number): number {
  return textWidth(text.slice(lineStart(text, at), at))
}

/** The place in the line above (`-1`) or below (`1`) at a column of the screen, or null where there is no such line. */
export function verticalPlace(text: string, at: number, direction: -1 | 1, column: number): number | null {
  const start = lineStart(text, at)
  const end = lineEnd(text, at)
  if (direction < 0 ? start === 0 : end === text.length) return null
  const from = direction < 0 ? lineStart(text, start - 1) : end + 1
  let place = from
  let width = 0
  for (const one of graphemes(text.slice(from, lineEnd(text, from)))) {
    width += graphemeWidth(one)
    if (width > column) break
    place += one.length
  }
  return place
}
