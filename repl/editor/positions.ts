/** Places in a text of several lines; all of them are UTF-16 offsets. */
import { graphemes } from './width.js'

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

const wordCharacter = /[\p{L}\p{N}_$]/u

/** The start of the word left of `at`. */
export function wordLeft(text: string, at: number): number {
  let place = at
  while (place > 0 && !wordCharacter.test(text[place - 1]!)) place--
  while (place > 0 && wordCharacter.test(text[place - 1]!)) place--
  return place
}

/** The end of the word right of `at`. */
export function wordRight(text: string, at: number): number {
  let place = at
  while (place < text.length && !wordCharacter.test(text[place]!)) place++
  while (place < text.length && wordCharacter.test(text[place]!)) place++
  return place
}

/** Line and column (both from 0, the column in UTF-16 units) of a place. */
export function lineAndColumn(text: string, at: number): { line: number; column: number } {
  const head = text.slice(0, at).split('\n')
  return { line: head.length - 1, column: head.at(-1)!.length }
}

/** The place in the line above (`-1`) or below (`1`) at a column, or null where there is no such line. */
export function verticalPlace(text: string, at: number, direction: -1 | 1, column: number): number | null {
  const start = lineStart(text, at)
  const end = lineEnd(text, at)
  if (direction < 0 ? start === 0 : end === text.length) return null
  const from = direction < 0 ? lineStart(text, start - 1) : end + 1
  const place = Math.min(from + column, lineEnd(text, from))
  // not between the two halves of one character
  return place === from ? place : after(text, before(text, place))
}
