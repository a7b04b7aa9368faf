/** A command line cut into words, as a shell does it. */

export interface Word {
  /** Without its quotes. */
  text: string
  /** UTF-16 range in the line, quotes included. */
  start: number
  end: number
}

/**
 * Words are separated by blanks; in single and double quotes at the beginning of a word, or of the value of `name=value`, blanks are
 * kept; a backslash keeps the next character. Elsewhere (`don't`) a quote is itself.
 * @param isTyping a quote that is not closed yet goes to the end of the line (default: it is itself)
 */
export function splitWords(line: string, from = 0, { isTyping = false } = {}): Word[] {
  const words: Word[] = []
  let at = from
  while (at < line.length) {
    if (/\s/.test(line[at]!)) {
      at++
      continue
    }
    const word = readWord(line, at, isTyping)
    words.push(word)
    at = word.end
  }
  return words
}

/** `name=`, before which a quote may stand. */
const optionName = /^[A-Za-z][\w.-]*=$/

/** Name and value of `name=value`; null for any other word. */
export function optionPair(word: string): RegExpExecArray | null {
  return /^([A-Za-z][\w.-]*)=(.*)$/s.exec(word)
}

function readWord(line: string, start: number, mayBeOpen: boolean): Word {
  let text = ''
  let quote = ''
  let at = start
  for (; at < line.length; at++) {
    const char = line[at]!
    if (char === '\\' && quote !== "'" && at + 1 < line.length) text += line[++at]
    else if (quote !== '') {
      if (char === quote) quote = ''
      else text += char
    } else if (
      isQuote(char) &&
      (at === start || optionName.test(line.slice(start, at))) &&
      (mayBeOpen || closingQuote(line, at) > 0)
    )
      quote = char
    else if (/\s/.test(char)) break
    else text += char
  }
  return { text, start, end: at }
}

const isQuote = (char: string) => char === '"' || char === "'"

/** Index of the quote that closes the one at `open`; -1 without. */
function closingQuote(line: string, open: number): number {
  const quote = line[open]!
  for (let at = open + 1; at < line.length; at++) {
    if (line[at] === '\\' && quote === '"') at++
    else if (line[at] === quote) return at
  }
  return -1
}

/** Whether a text is one word in quotes. */
export function isQuoted(text: string): boolean {
  return isQuote(text.charAt(0)) && closingQuote(text, 0) === text.length - 1
}

/** A word as it is written on a command line. */
export function quoteWord(text: string): string {
  return /^[^\s"'\\]+$/.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`
}

/** A plain value as TypeScript that a person would write. */
export function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const fields = Object.entries(value).filter(([, item]) => item !== undefined)
  if (fields.length === 0) return '{}'
  const keyOf = (name: string) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name))
  return `{ ${fields.map(([name, item]) => `${keyOf(name)}: ${literal(item)}`).join(', ')} }`
}

/** `lab.name(arguments)`; arguments that are undefined or an empty object at the end are left out. */
export function call(name: string, ...values: unknown[]): string {
  const isNothing = (value: unknown) =>
    value === undefined ||
    (typeof value === 'object' && value !== null && Object.values(value).every(v => v === undefined))
  const given = [...values]
  while (given.length > 0 && isNothing(given.at(-1))) given.pop()
  return `lab.${name}(${given.map(value => (value === undefined ? 'undefined' : literal(value))).join(', ')})`
}
