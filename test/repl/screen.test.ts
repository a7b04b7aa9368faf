import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { lineUpdate } from '../../repl/terminal/line-update.js'
import { Screen } from '../../repl/terminal/screen.js'
import { VirtualTerminal } from './virtual-terminal.js'

function open(columns = 40, rows = 12) {
  const terminal = new VirtualTerminal(columns, rows)
  const screen = new Screen(terminal)
  screen.open()
  return { terminal, screen }
}

describe('the screen', () => {
  it('draws a frame, puts the cursor in it and writes only what differs', () => {
    const { terminal, screen } = open()
    screen.draw({ lines: ['top', 'In [1]: ', 'status'], cursor: { x: 8, y: 1 } })
    expect(terminal.text()).toEqual(['top', 'In [1]:', 'status'])
    expect(terminal.cursor).toEqual({ x: 8, y: 1 })
    terminal.bytes = 0
    screen.draw({ lines: ['top', 'In [1]: a', 'status'], cursor: { x: 9, y: 1 } })
    expect(terminal.text()).toEqual(['top', 'In [1]: a', 'status'])
    expect(terminal.bytes).toBeLessThan(60)
    terminal.bytes = 0
    screen.draw({ lines: ['top', 'In [1]: a', 'status'], cursor: { x: 9, y: 1 } })
    expect(terminal.bytes).toBe(0)
  })

  it('writes only the part of a line that differs, in the colours that are on there', () => {
    expect(lineUpdate('loss 3.001 ⣀⣀⣀', 'loss 3.002 ⣀⣀⣀')).toBe('\u001b[10G2 ⣀⣀⣀')
    const red = (text: string) => `\u001b[31m${text}\u001b[39m`
    expect(lineUpdate(`loss 12345 ${red('ab')}`, `loss 12345 ${red('ac')}`)).toBe('\u001b[13G\u001b[31mc\u001b[39m')
    // neither within a sequence nor within a character
    expect(lineUpdate(`0123456789${red('a')}`, '0123456789\u001b[32ma\u001b[39m')).toBe(
      '\u001b[11G\u001b[32ma\u001b[39m',
    )
    expect(lineUpdate('0123456789e', '0123456789e\u0301')).toBe('\u001b[11Ge\u0301')
    expect(lineUpdate('abc', 'abd')).toBe('abd')
  })

  it('prints above the frame, however much', () => {
    const { terminal, screen } = open()
    screen.draw({ lines: ['In [1]: ', 'status'], cursor: { x: 8, y: 0 } })
    const many = Array.from({ length: 100 }, (_, i) => `line ${i}`)
    screen.print(many.join('\n'))
    expect(terminal.text()).toEqual([...many, 'In [1]:', 'status'])
    expect(terminal.cursor).toEqual({ x: 8, y: 100 })
  })

  it('takes its frame away when it is closed', () => {
    const { terminal, screen } = open()
    screen.print('kept')
    screen.draw({ lines: ['a', 'b'], cursor: null })
    screen.close()
    expect(terminal.text()).toEqual(['kept', ''])
    expect(terminal.isCursorShown).toBe(true)
  })

  it('shows the last frame below everything printed, in any order of frames and prints', () => {
    const line = fc.string({ maxLength: 40, unit: fc.constantFrom('a', 'b', ' ', '語', '⣿') }).map(s => s.slice(0, 20))
    const frame = fc.record({ lines: fc.array(line, { minLength: 1, maxLength: 8 }), y: fc.nat(7), x: fc.nat(10) })
    const step = fc.oneof(frame, fc.array(line, { minLength: 1, maxLength: 30 }))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), steps => {
        const { terminal, screen } = open()
        const printed: string[] = []
        let last: string[] = ['']
        for (const one of steps) {
          if (Array.isArray(one)) {
            screen.print(one.join('\n'))
            printed.push(...one)
            continue
          }
          last = one.lines
          const y = one.y % last.length
          screen.draw({ lines: last, cursor: { x: one.x, y } })
          expect(terminal.cursor).toEqual({ x: one.x, y: printed.length + y })
        }
        // a frame that became shorter may leave an empty line below
        const text = terminal.text().slice(0, printed.length + last.length)
        expect(text).toEqual([...printed, ...last].map(line => line.trimEnd()))
        expect(terminal.text().slice(text.length).join('')).toBe('')
      }),
    )
  })

  it('erases the rows that a narrower terminal has made of the frame', () => {
    const { terminal, screen } = open(40)
    screen.draw({ lines: ['x'.repeat(30), 'In [1]: '], cursor: { x: 8, y: 1 } })
    // what a terminal that reflows does
    terminal.columns = 20
    terminal.lines = [[...'x'.repeat(20)], [...'x'.repeat(10)], [...'In [1]: ']]
    terminal.write('\n\u001b[9G')
    screen.resized()
    screen.draw({ lines: ['x'.repeat(18), 'In [1]: '], cursor: { x: 8, y: 1 } })
    expect(terminal.text()).toEqual(['x'.repeat(18), 'In [1]:'])
  })
})
