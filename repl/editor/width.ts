/** Columns that text takes on a terminal. */

/** Latin letters, and what lines, bars and curves are drawn of: a column for each. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: a text of printable ASCII is as wide as it is long
const simple = /^[\u0000-\u007e\u00c0-\u024f\u2500-\u259f\u25cb-\u25cf\u2800-\u28ff]*$/
const wide =
  /^(?:\p{Emoji_Presentation}|.\ufe0f|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}])/u
const invisible = /^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]+$/u
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences start with a control character
const escapes = /\u001b\[[\d;?]*[A-Za-z]/g

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** The characters of a text as a reader sees them. */
export function graphemes(text: string): string[] {
  return simple.test(text) ? [...text] : Array.from(segmenter.segment(text), part => part.segment)
}

/** Columns of one character as a reader sees it. */
export function graphemeWidth(grapheme: string): number {
  if (simple.test(grapheme)) return grapheme.length
  if (wide.test(grapheme)) return 2
  return invisible.test(grapheme) ? 0 : 1
}

/** Columns of a text without line breaks; escape sequences take none. */
export function textWidth(text: string): number {
  const plain = text.replace(escapes, '')
  if (simple.test(plain)) return plain.length
  return graphemes(plain).reduce((sum, one) => sum + graphemeWidth(one), 0)
}

/** A plain text cut to a number of columns, with an ellipsis where something is missing. */
export function fitWidth(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text
  let width = 0
  let out = ''
  for (const one of graphemes(text)) {
    width += graphemeWidth(one)
    if (width > columns - 1) break
    out += one
  }
  return columns > 0 ? `${out}…` : ''
}

/** A plain text of exactly a number of columns: cut, or filled with blanks. */
export function padWidth(text: string, columns: number): string {
  const fitted = fitWidth(text, columns)
  return fitted + ' '.repeat(Math.max(0, columns - textWidth(fitted)))
}
