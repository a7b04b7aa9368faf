/** From the characters that a terminal sends to keys. Chunks may end anywhere, and one may hold many keys. */

export interface Key {
  /** `text`, `paste`, `enter`, `tab`, `up`, ...; with `ctrl` or `alt` the character: `a`, `_`, `enter`. */
  name: string
  /** What `text` and `paste` bring; empty otherwise. */
  text: string
  ctrl: boolean
  alt: boolean
  shift: boolean
}

type Modifiers = Partial<Pick<Key, 'ctrl' | 'alt' | 'shift'>>

export function key(name: string, modifiers: Modifiers = {}, text = ''): Key {
  return { name, text, ctrl: false, alt: false, shift: false, ...modifiers }
}

/** Longest escape sequence that is waited for; what is longer is no key of any terminal. */
const maxSequence = 64
const pasteStart = '\u001b[200~'
const pasteEnd = '\u001b[201~'

/** Keys by the last letter of `ESC [ ... letter` and `ESC O letter`. */
const byLetter: Record<string, string> = {
  A: 'up',
  B: 'down',
  C: 'right',
  D: 'left',
  H: 'home',
  F: 'end',
  P: 'f1',
  Q: 'f2',
  R: 'f3',
  S: 'f4',
  M: 'enter',
}

/** Keys by the number of `ESC [ number ~`. */
const byNumber: Record<number, string> = {
  1: 'home',
  2: 'insert',
  3: 'delete',
  4: 'end',
  5: 'pageup',
  6: 'pagedown',
  7: 'home',
  8: 'end',
  11: 'f1',
  12: 'f2',
  13: 'f3',
  14: 'f4',
  15: 'f5',
}

/** Keys by their code in the protocols that name keys by code points (kitty, xterm's modifyOtherKeys). */
const byCode: Record<number, string> = { 9: 'tab', 13: 'enter', 27: 'escape', 127: 'backspace', 8: 'backspace' }

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: keys are control characters
const controlSequence = /^\u001b\[([0-9;:<=>?]*)[ -/]*([@-~])/
const unfinished = /^\u001b(\[[0-9;:<=>?]*[ -/]*|O)?$/
const printable = /^[^\u0000-\u001f\u007f]+/
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: keys are control characters

function modifiersOf(code: number): Modifiers {
  const bits = Math.max(0, code - 1)
  return { shift: (bits & 1) !== 0, alt: (bits & 2) !== 0, ctrl: (bits & 4) !== 0 }
}

function keyOfCode(code: number, modifiers: Modifiers): Key | null {
  const named = byCode[code]
  if (named !== undefined) return key(named, modifiers)
  if (code < 32 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return null
  const char = String.fromCodePoint(code)
  return modifiers.ctrl || modifiers.alt ? key(char.toLowerCase(), modifiers) : key('text', {}, char)
}

/** The key of `ESC [ parameters final`, or null for what is no key (reports of focus, mouse and cursor). */
function keyOfSequence(parameters: string, final: string): Key | null {
  if (/[<=>?]/.test(parameters)) return null
  const [first = 1, second = 1, third = 0] = parameters.split(';').map(part => Number(part.split(':')[0]) || 1)
  if (final === 'Z') return key('tab', { shift: true })
  if (final === 'u') return keyOfCode(first, modifiersOf(second))
  if (final === '~' && first === 27) return keyOfCode(third, modifiersOf(second))
  const name = final === '~' ? byNumber[first] : byLetter[final]
  return name === undefined ? null : key(name, modifiersOf(second))
}

/** The key of one control character. */
function keyOfControl(char: string): Key {
  if (char === '\r' || char === '\n') return key('enter')
  if (char === '\t') return key('tab')
  if (char === '\u007f' || char === '\b') return key('backspace')
  if (char === '\u0000') return key('space', { ctrl: true })
  return key(String.fromCharCode(char.charCodeAt(0) + 64).toLowerCase(), { ctrl: true })
}

/** Reads keys from a stream of characters. */
export class KeyParser {
  #pending = ''
  #paste: string[] | null = null

  /** Whether an escape character waits for what may follow it; {@link flush} makes it a key. */
  get isWaiting(): boolean {
    return this.#paste === null && this.#pending !== ''
  }

  /** The keys of a chunk; what is not finished is kept for the next one. */
  push(chunk: string): Key[] {
    const keys: Key[] = []
    let rest = this.#pending + chunk
    this.#pending = ''
    while (rest !== '') {
      const before = rest
      rest = this.#paste === null ? this.#readKey(rest, keys) : this.#readPaste(rest, keys)
      if (rest === before) break
    }
    this.#pending = rest
    return keys
  }

  /** What waits, as the keys that it is when nothing more comes. */
  flush(): Key[] {
    if (!this.isWaiting) return []
    const pending = this.#pending
    this.#pending = ''
    return pending === '\u001b' ? [key('escape')] : []
  }

  /** Takes one key from the front; returns the text unchanged when the key is not finished. */
  #readKey(text: string, keys: Key[]): string {
    if (text.startsWith(pasteStart)) {
      this.#paste = []
      return text.slice(pasteStart.length)
    }
    const plain = printable.exec(text)
    if (plain) {
      keys.push(key('text', {}, plain[0]))
      return text.slice(plain[0].length)
    }
    if (!text.startsWith('\u001b')) {
      keys.push(keyOfControl(text[0]!))
      return text.slice(text.startsWith('\r\n') ? 2 : 1)
    }
    return this.#readEscape(text, keys)
  }

  #readEscape(text: string, keys: Key[]): string {
    const sequence = controlSequence.exec(text)
    if (sequence) {
      const found = keyOfSequence(sequence[1]!, sequence[2]!)
      if (found) keys.push(found)
      return text.slice(sequence[0].length)
    }
    if (unfinished.test(text) && text.length < maxSequence) return text
    if (text[1] === 'O') {
      const name = byLetter[text[2]!]
      if (name !== undefined) keys.push(key(name))
      return text.slice(3)
    }
    if (text[1] === '[') return text.slice(2)
    // a Ctrl-C right after Escape is no other key: it has to work always
    if (text[1] === '\u001b' || text[1] === '\u0003') {
      keys.push(key('escape'))
      return text.slice(1)
    }
    return this.#readAlt(text, keys)
  }

  /** `ESC` and a character: that key with Alt. */
  #readAlt(text: string, keys: Key[]): string {
    const char = String.fromCodePoint(text.codePointAt(1)!)
    const isControl = char < ' ' || char === '\u007f'
    keys.push(isControl ? { ...keyOfControl(char), alt: true } : key(char.toLowerCase(), { alt: true }))
    return text.slice(1 + char.length)
  }

  /** The text of a bracketed paste up to its end; the last characters may be the beginning of the end. */
  #readPaste(text: string, keys: Key[]): string {
    const end = text.indexOf(pasteEnd)
    if (end < 0) {
      const last = text.lastIndexOf('\u001b')
      const keep = last >= 0 && pasteEnd.startsWith(text.slice(last)) ? last : text.length
      this.#paste!.push(text.slice(0, keep))
      return text.slice(keep)
    }
    const pasted = [...this.#paste!, text.slice(0, end)].join('')
    this.#paste = null
    keys.push(key('paste', {}, pasted.replace(/\r\n?/g, '\n')))
    return text.slice(end + pasteEnd.length)
  }
}
