/** Whether a text can stand alone, judged by its brackets, quotes and comments: for the time before the compiler is there. */

const closing: Record<string, string> = { ')': '(', ']': '[', '}': '{' }

/** False while a bracket, a template or a comment is open, or while the text ends with an operator that wants more. */
export function looksComplete(text: string): boolean {
  const open: string[] = []
  for (let at = 0; at < text.length; ) {
    const inTemplate = open.at(-1) === '`'
    const skipped = inTemplate ? 0 : lengthOfLiteral(text, at)
    if (skipped === null) return false
    if (skipped > 0) {
      at += skipped
      continue
    }
    at += stepBracket(text, at, open)
  }
  return open.length === 0 && !/(?:[=+\-*/%&|^<>?:,.]|=>)\s*$/.test(text.replace(/(?:\+\+|--)\s*$/, ''))
}

/** Takes one character; brackets and templates are kept in `open`. Returns how many characters were taken. */
function stepBracket(text: string, at: number, open: string[]): number {
  const char = text[at]!
  const top = open.at(-1)
  if (top === '`') {
    if (char === '\\') return 2
    if (char === '`') open.pop()
    else if (text.startsWith('${', at)) {
      open.push('{')
      return 2
    }
    return 1
  }
  if ('([{`'.includes(char)) open.push(char)
  else if (closing[char] !== undefined && top === closing[char]) open.pop()
  return 1
}

/** Characters of the string or comment that begins here; 0 for anything else, null when it has no end. */
function lengthOfLiteral(text: string, at: number): number | null {
  const rest = text.slice(at)
  if (rest.startsWith('//')) return lineLength(rest)
  if (rest.startsWith('/*')) {
    const end = rest.indexOf('*/', 2)
    return end < 0 ? null : end + 2
  }
  if (rest[0] !== '"' && rest[0] !== "'") return 0
  // a string that is not closed on its line is an error, which the compiler tells of
  return /^(["'])(?:\\[\s\S]|(?!\1)[^\\\n])*\1/.exec(rest)?.[0].length ?? lineLength(rest)
}

function lineLength(text: string): number {
  const end = text.indexOf('\n')
  return end < 0 ? text.length : end
}
