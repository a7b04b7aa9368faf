import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { looksComplete } from '../../repl/editor/complete-text.js'
import { KeyParser } from '../../repl/editor/keys.js'
import {
  emptyPrompt,
  type PromptEffect,
  type PromptState,
  type PromptWorld,
  pressKey,
  showCompletions,
  suggestionOf,
} from '../../repl/editor/prompt.js'

const world = (entries: string[] = [], offer = ''): PromptWorld => ({ entries, offer, isComplete: looksComplete })

/** Types characters as a terminal sends them. */
function type(chars: string, where = world(), from: PromptState = emptyPrompt) {
  const parser = new KeyParser()
  const effects: PromptEffect[] = []
  let state = from
  for (const key of [...parser.push(chars), ...parser.flush()]) {
    const step = pressKey(state, key, where)
    state = step.state
    if (step.effect) effects.push(step.effect)
  }
  return { state, effects, text: state.buffer.text, cursor: state.buffer.cursor }
}

/** The text with `|` at the cursor. */
const shown = ({ text, cursor }: { text: string; cursor: number }) => `${text.slice(0, cursor)}|${text.slice(cursor)}`

const up = '\u001b[A'
const down = '\u001b[B'
const left = '\u001b[D'

describe('typing', () => {
  it('submits every line of a chunk', () => {
    expect(type('a\rb = 2\rc').effects).toEqual([
      { kind: 'submit', text: 'a' },
      { kind: 'submit', text: 'b = 2' },
    ])
  })

  it('goes on with an incomplete block, indented, and takes the closing bracket back', () => {
    const { effects, state } = type('for (const x of xs) {\rf(x)\r}')
    expect(effects).toEqual([])
    expect(state.buffer.text).toBe('for (const x of xs) {\n  f(x)\n}')
    expect(type('\r', world(), state).effects).toEqual([{ kind: 'submit', text: 'for (const x of xs) {\n  f(x)\n}' }])
  })

  it('pastes several lines without running them', () => {
    const { text, effects } = type('\u001b[200~let a = 1\nlet b = 2\n\u001b[201~')
    expect(effects).toEqual([])
    expect(text).toBe('let a = 1\nlet b = 2\n')
  })

  it('takes a text that cannot be completed after two empty lines', () => {
    expect(type('foo(\r\r\r').effects).toEqual([{ kind: 'submit', text: 'foo(' }])
  })

  it('moves and kills as Emacs does', () => {
    expect(shown(type('one two three\u001bb\u0017'))).toBe('one |three')
    expect(shown(type('one two\u0001\u000b\u0019\u0019'))).toBe('one twoone two|')
    expect(shown(type('one two\u001b\u007f\u001b\u007f\u0019'))).toBe('one two|')
    expect(shown(type('ab\u0014'))).toBe('ba|')
    expect(shown(type('a\u0017b\u0017\u0019\u001by'))).toBe('a|')
  })

  it('deletes what a reader takes for one character', () => {
    expect(shown(type('a👩‍👩‍👧\u007f'))).toBe('a|')
    expect(shown(type(`e\u0301x${left}\u007f`))).toBe('|x')
  })

  it('moves over words of any script, marks included', () => {
    expect(shown(type(`cafe\u0301s noirs\u001bb\u001bb`))).toBe('|cafe\u0301s noirs')
    expect(shown(type('\u0928\u093f\u0928 x\u001bb\u001bb'))).toBe('|\u0928\u093f\u0928 x')
    expect(shown(type('a 😀 b\u001bb\u001bb'))).toBe('|a 😀 b')
  })

  it('undoes word by word and redoes', () => {
    const typed = [...'one two'].reduce((state, char) => type(char, world(), state).state, emptyPrompt)
    expect(type('\u001f', world(), typed).text).toBe('one')
    expect(type('\u001f\u001f', world(), typed).text).toBe('')
    expect(type('\u001f\u001b_', world(), typed).text).toBe('one two')
  })
})

describe('up and down', () => {
  const entries = ['first', 'let a = {\n  b: 1\n}', 'last']

  it('move inside a block and keep the column', () => {
    expect(shown(type(`\u001b[200~long line\nx\nanother\u001b[201~${up}${up}`))).toBe('long li|ne\nx\nanother')
  })

  it('keep the column of the screen, not that of the characters', () => {
    expect(shown(type(`\u001b[200~abcdef\n日本\u001b[201~${up}`))).toBe('abcd|ef\n日本')
    expect(shown(type(`\u001b[200~日本語\nabc\u001b[201~${up}`))).toBe('日|本語\nabc')
  })

  it('go to the oldest and back to the draft', () => {
    expect(type('draft\u001b<', world(entries)).text).toBe('first')
    expect(type('draft\u001b<\u001b>', world(entries)).text).toBe('draft')
    expect(type(`draft\u001b<${down.repeat(5)}`, world(['a', 'b'])).text).toBe('draft')
  })

  it('walk through history from the first line, and back to what was typed', () => {
    expect(type(up, world(entries)).text).toBe('last')
    expect(type(`${up}${up}`, world(entries)).text).toBe(entries[1])
    expect(type(`draft${up}${down}`, world(['draft 2'])).text).toBe('draft')
    expect(type(`x${up}`, world(entries)).text).toBe('x')
  })

  it('walk only through entries with the same beginning', () => {
    expect(type(`fi${up}`, world(entries)).text).toBe('first')
  })
})

describe('Ctrl-R', () => {
  const entries = ['let alpha = 1', 'beta()', 'alpha + 1']
  it('finds older matches and runs one', () => {
    expect(type('\u0012alpha', world(entries)).text).toBe('alpha + 1')
    expect(type('\u0012alpha\u0012', world(entries)).text).toBe('let alpha = 1')
    expect(type('\u0012beta\r', world(entries)).effects).toEqual([{ kind: 'submit', text: 'beta()' }])
  })
  it('takes characters of the query back whole, and lines that are pasted', () => {
    expect(type('\u0012😀😁\u007f', world()).state.search?.query).toBe('😀')
    expect(type('\u0012\u001b[200~a\r\n\u001b[2Jb\u001b[201~', world(['a\n[2Jb c'])).text).toBe('a\n[2Jb c')
  })
  it('gives the draft back', () => {
    expect(type('draft\u0012beta\u0007', world(entries)).text).toBe('draft')
    expect(type('draft\u0012nothing', world(entries)).text).toBe('draft')
  })
})

describe('suggestions', () => {
  it('come from history and are taken whole or word by word', () => {
    const where = world(['lab.load("demo")'])
    expect(suggestionOf(type('lab', where).state, where)).toBe('.load("demo")')
    expect(type('lab\u001b[C', where).text).toBe('lab.load("demo")')
    expect(type('lab\u001bf', where).text).toBe('lab.load')
    expect(suggestionOf(type(`lab${left}`, where).state, where)).toBe('')
    expect(shown(type(`lab${left}\u0005`, where))).toBe('lab|')
  })
  it('an offer is run by Enter at an empty prompt only', () => {
    expect(type('\r', world([], ':demo')).effects).toEqual([{ kind: 'submit', text: ':demo' }])
    expect(type('x\r', world([], ':demo')).effects).toEqual([{ kind: 'submit', text: 'x' }])
  })
})

describe('Ctrl-C and Ctrl-D', () => {
  it('cancel the line first, then what runs', () => {
    expect(type('abc\u0003\u0003').effects).toEqual([{ kind: 'cancelled', text: 'abc' }, { kind: 'cancel' }])
  })
  it('Ctrl-D deletes, and leaves at an empty prompt', () => {
    expect(shown(type('ab\u0001\u0004'))).toBe('|b')
    expect(type('\u0004').effects).toEqual([{ kind: 'leave' }])
  })
})

describe('completion', () => {
  const candidates = ['forEach', 'format', 'fork'].map(text => ({ text, kind: '', detail: '' }))
  const open = (text: string) => showCompletions(type(text).state, text, { candidates, start: 2, end: text.length })
  const tab = '\t'

  it('fills in what all have in common, then goes around', () => {
    const state = open('x.f')
    expect(state.buffer.text).toBe('x.for')
    expect(type(tab, world(), state).text).toBe('x.forEach')
    expect(type(tab + tab, world(), state).text).toBe('x.format')
    expect(type('\u001b[Z', world(), state).text).toBe('x.fork')
  })
  it('Enter takes the choice without running it, Escape takes it back', () => {
    expect(type(`${tab}\r`, world(), open('x.f'))).toMatchObject({ text: 'x.forEach', effects: [] })
    expect(type(`${tab}\u001b`, world(), open('x.f')).text).toBe('x.for')
  })
  it('is not shown when the text has changed meanwhile', () => {
    const { state } = type('x.fo')
    expect(showCompletions(state, 'x.f', { candidates, start: 2, end: 3 })).toBe(state)
  })
})

describe('any keys', () => {
  it('neither lose the cursor nor split a character', () => {
    const piece = fc.constantFrom(
      'a',
      ' ',
      '{',
      '}',
      '\r',
      up,
      down,
      left,
      '\u0017',
      '\u0019',
      '\u001by',
      '\u0014',
      '\u001bd',
      '😀',
      '\u000b',
      '\u0001',
      '\u0012',
      '\u0007',
      '\u001f',
      '\u001b_',
      '\t',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), pieces => {
        const { state } = type(pieces.join(''), world(['abc', 'a\nb']))
        const { text, cursor } = state.buffer
        expect(cursor).toBeGreaterThanOrEqual(0)
        expect(cursor).toBeLessThanOrEqual(text.length)
        expect(text).not.toMatch(/\p{Surrogate}/u)
      }),
    )
  })
})

describe('looksComplete', () => {
  it.each([
    ['1 + 1', true],
    ['f(', false],
    ['`a ${', false],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the text that is judged
    ['`a ${b}`', true],
    ['"(" + 1', true],
    ['// (', true],
    ['/* (', false],
    ['x =', false],
    ['x++', true],
    ['const f = () =>', false],
    ["'it\\'s (' + [1]", true],
  ])('%s: %s', (text, complete) => expect(looksComplete(text)).toBe(complete))
})
