import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyName } from '../../repl/editor/keymap.js'
import { KeyParser } from '../../repl/editor/keys.js'

/** Keys of chunks, as `name` or `name:text`. */
function read(...chunks: string[]): string[] {
  const parser = new KeyParser()
  const keys = [...chunks.flatMap(chunk => parser.push(chunk)), ...parser.flush()]
  return keys.map(key => (key.text === '' ? keyName(key) : `${keyName(key)}:${key.text}`))
}

describe('keys', () => {
  it('finds the Enter inside a chunk', () => {
    expect(read('let x = 1\r')).toEqual(['text:let x = 1', 'enter'])
    expect(read('a\rb\nc\r\nd')).toEqual(['text:a', 'enter', 'text:b', 'enter', 'text:c', 'enter', 'text:d'])
  })

  it('knows arrows, modifiers, Alt, control and the two protocols that name Shift+Enter', () => {
    expect(read('\u001b[A\u001bOB\u001b[1;5C\u001b[3~\u001b[H\u001b[Z')).toEqual([
      'up',
      'down',
      'C-right',
      'delete',
      'home',
      'S-tab',
    ])
    expect(read('\u0001\u0003\u001f\u007f\b\u0000')).toEqual(['C-a', 'C-c', 'C-_', 'backspace', 'backspace', 'C-space'])
    expect(read('\u001bb\u001b\r\u001b\u007f')).toEqual(['M-b', 'M-enter', 'M-backspace'])
    expect(read('\u001b[13;2u', '\u001b[27;2;13~', '\u001b[97;5u')).toEqual(['S-enter', 'S-enter', 'C-a'])
  })

  it('makes one key of a bracketed paste, whatever is in it', () => {
    expect(read('\u001b[200~a\r\nb\u0003\u001b[A\u001b[201~x')).toEqual(['paste:a\nb\u0003\u001b[A', 'text:x'])
  })

  it('takes an escape that nothing follows for the key', () => {
    expect(read('\u001b')).toEqual(['escape'])
    expect(read('\u001b', '[A')).toEqual(['up'])
    expect(read('\u001b\u0003')).toEqual(['escape', 'C-c'])
  })

  it('passes over reports of mouse, focus and cursor, and over nonsense', () => {
    expect(read('\u001b[<0;1;1M\u001b[?62;c\u001b[Iq')).toEqual(['text:q'])
    expect(read(`\u001b[${'9'.repeat(100)}`, 'q')).not.toHaveLength(0)
  })

  it('reads the same keys wherever the chunks end', () => {
    const piece = fc.constantFrom(
      'let x = 1\r',
      '\u001b[A',
      '\u001b[1;5D',
      '\u001bOC',
      'é😀',
      '\u001b[200~p\nq\u001b[201~',
      '\u0003',
      '\u001bf',
      '\u001b[3~',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(200), { maxLength: 12 }), (pieces, cuts) => {
        const all = pieces.join('')
        const at = [...new Set([0, ...cuts.map(cut => cut % (all.length + 1)), all.length])].sort((a, b) => a - b)
        const chunks = at.slice(1).map((end, i) => all.slice(at[i], end))
        // text may come in several keys: joined it is the same
        const joined = (keys: string[]) =>
          keys
            .join('|')
            .replaceAll('|text:', '')
            .replace(/^text:/, '')
        expect(joined(read(...chunks))).toBe(joined(read(all)))
      }),
    )
  })
})
