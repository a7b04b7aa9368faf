/** What makes a line on the screen another one, in few bytes. */
import { textWidth } from '../editor/width.js'

const csi = '\u001b['
// biome-ignore-start lint/suspicious/noControlCharactersInRegex: escape sequences start with a control character
const colors = /\u001b\[[\d;]*m/g
const openSequence = /\u001b[^m]*$/
/** Takes its columns by itself, whatever stands before or after it. */
const simple = /^[\u001b -~\u2500-\u28ff]$/
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: escape sequences start with a control character

/** The text to write, from the first column of the line, where it now reads `old`; what stood behind it is not erased. */
export function lineUpdate(old: string, line: string): string {
  const at = commonStart(old, line)
  const head = line.slice(0, at)
  // the colours that are on at that place
  const part = `${csi}${textWidth(head) + 1}G${(head.match(colors) ?? []).join('')}${line.slice(at)}`
  return part.length < line.length ? part : line
}

/** The longest common beginning that ends between two characters. */
function commonStart(old: string, line: string): number {
  let at = 0
  while (at < line.length && old[at] === line[at]) at++
  const isBetween = () => [line[at - 1], line[at], old[at]].every(char => char === undefined || simple.test(char))
  while (at > 0 && (!isBetween() || openSequence.test(line.slice(0, at)))) at--
  return at
}
