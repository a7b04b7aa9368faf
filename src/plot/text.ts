/** Control characters (terminal escapes, bytes that XML forbids) and halves of surrogate pairs, which no renderer may pass on. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
const unsafe = /[\u0000-\u001f\u007f-\u009f\ufffe\uffff\u200e\u200f\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/gu

/** One printable line: control characters, direction overrides and lone surrogates become U+FFFD. */
export function printable(text: string): string {
  return text.replace(unsafe, '\ufffd')
}

/** Text as XML or HTML content or as the value of a quoted attribute. */
export function escapeXml(text: string): string {
  return printable(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })

/** What a reader sees as single characters. */
export function splitGraphemes(text: string): string[] {
  return Array.from(graphemes.segment(text), part => part.segment)
}

/** Scripts and pictures that fill two terminal columns. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{1f1e6}-\u{1f1ff}\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u

/** Terminal columns of a text: 0 for lone combining marks, 2 for wide characters, else 1 each. */
export function cellWidth(text: string): number {
  let width = 0
  for (const part of splitGraphemes(text)) width += wide.test(part) ? 2 : /^[\p{M}\p{Cf}]+$/u.test(part) ? 0 : 1
  return width
}

/** The text cut to `width` columns, with an ellipsis where something was lost. */
export function fitCells(text: string, width: number): string {
  if (cellWidth(text) <= width) return text
  let left = width - 1
  let kept = ''
  for (const part of splitGraphemes(text)) {
    left -= cellWidth(part)
    if (left < 0) break
    kept += part
  }
  return width < 1 ? '' : `${kept}…`
}

/** Width of one character in sixteenths of the font size, as in a common sans-serif font. */
function sixteenthsOf(part: string): number {
  if (wide.test(part)) return 16
  if (/[iljtfI.,:;'|! ()[\]·]/.test(part)) return 5.5
  if (/[mwMW%@—…]/.test(part)) return 14
  return /[A-Z]/.test(part) ? 11 : 9.5
}

/** Width in pixels, estimated from the kinds of its characters. */
export function pixelWidth(text: string, fontSize: number): number {
  return splitGraphemes(text).reduce((sum, part) => sum + (sixteenthsOf(part) / 16) * fontSize, 0)
}

/** The text cut to `width` pixels, with an ellipsis where something was lost. */
export function fitPixels(text: string, fontSize: number, width: number): string {
  if (pixelWidth(text, fontSize) <= width) return text
  let left = width - pixelWidth('…', fontSize)
  let kept = ''
  for (const part of splitGraphemes(text)) {
    left -= (sixteenthsOf(part) / 16) * fontSize
    if (left < 0) break
    kept += part
  }
  return `${kept}…`
}

/** Lines of at most `width` pixels, broken at spaces; a longer word is cut. */
export function wrapPixels(text: string, fontSize: number, width: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ').filter(part => part !== '')) {
    const joined = lines.length > 0 ? `${lines.at(-1)} ${word}` : word
    if (lines.length > 0 && pixelWidth(joined, fontSize) <= width) lines[lines.length - 1] = joined
    else lines.push(fitPixels(word, fontSize, width))
  }
  return lines
}
