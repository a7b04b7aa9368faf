/** Cursor positions: the protocol counts Unicode code points (since 5.2), JavaScript counts UTF-16 units. */

/** Index into `text` of its code point number `codePoints`; past the end, the length. */
export function toUtf16(text: string, codePoints: number): number {
  let index = 0
  for (let n = 0; n < codePoints && index < text.length; n++) index += text.codePointAt(index)! > 0xffff ? 2 : 1
  return index
}

/** How many code points stand before an index of `text`. */
export function toCodePoints(text: string, index: number): number {
  let count = 0
  for (const _ of text.slice(0, index)) count++
  return count
}
