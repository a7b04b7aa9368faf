import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { layerMapFigure } from '../../src/plot/figures/blocks.js'
import { renderTerminal } from '../../src/plot/terminal.js'
import { cellWidth, fitCells, printable } from '../../src/plot/text.js'
import { figure, hostileNames, line, panel } from './support.js'

// biome-ignore lint/suspicious/noControlCharactersInRegex: ANSI colour escapes
const withoutColor = (text: string) => text.replace(/\u001b\[[\d;]*m/g, '')

describe('renderTerminal', () => {
  it('draws a falling line in braille, with its name at its end', () => {
    const spec = figure([panel({ series: [line([0, 10], [4, 0], { name: 'code' })] })])
    expect(renderTerminal(spec, { width: 36, height: 10 })).toEqual([
      'Loss',
      'loss (nats/token)',
      '4 ┤⠒⠤⣀⡀',
      '  │   ⠈⠉⠒⠤⢄⣀',
      '  │         ⠉⠒⠢⢄⣀',
      '2 ┤              ⠉⠑⠢⠤⣀',
      '  │                   ⠉⠑⠒⠤⣀⡀',
      '0 ┤                        ⠈⠉⠒⠤ code',
      '  └─────────────────────── step',
      '   0             5           10',
    ])
  })

  it('draws the same with ASCII only when asked', () => {
    const spec = figure([panel({ series: [line([0, 10], [4, 0], { name: 'code' })], zeroLine: true })])
    const lines = renderTerminal(spec, { width: 36, height: 8, charset: 'ascii' })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: every ASCII character is allowed
    for (const text of lines) expect(text).toMatch(/^[\u0000-\u007f]*$/)
    expect(lines.join('\n')).toContain('*')
  })

  it('says that there is no data yet, and that there is no room', () => {
    expect(renderTerminal(figure([panel()]), { width: 40, height: 10 })).toEqual([
      'Loss',
      'loss (nats/token)',
      '',
      '  no data yet',
    ])
    expect(renderTerminal(figure([panel()]), { width: 40, height: 4 })).toEqual(['Loss', '(no room for the plot)'])
    expect(renderTerminal(figure([panel()]), { width: 40, height: 0 })).toEqual([])
  })

  it('counts the panels for which there is no room', () => {
    const spec = figure(
      Array.from({ length: 4 }, (_, i) => panel({ title: `panel ${i}`, series: [line([0, 1], [0, i])] })),
    )
    const lines = renderTerminal(spec, { width: 60, height: 16 })
    expect(lines.at(-1)).toBe('+ 2 more: needs a taller window')
    expect(lines.join('\n')).not.toContain('panel 2')
    expect(renderTerminal(spec, { width: 60, height: 40 }).join('\n')).toContain('panel 3')
  })

  it('never exceeds its size and passes no escape of its input, at any size and with hostile names', () => {
    const value = fc.option(fc.double())
    const series = fc.array(fc.tuple(fc.constantFrom(...hostileNames), fc.array(value, { maxLength: 9 })), {
      maxLength: 4,
    })
    const size = fc.record({ width: fc.integer({ min: 0, max: 130 }), height: fc.integer({ min: 0, max: 30 }) })
    fc.assert(
      fc.property(
        series,
        size,
        fc.boolean(),
        fc.integer({ min: 0, max: 3 }),
        (all, { width, height }, color, panels) => {
          const drawn = all.map(([name, y]) =>
            line(
              y.map((_, i) => i),
              y,
              { name, dash: 'dash' },
            ),
          )
          const legend = drawn.map(one => ({
            label: one.name,
            color: one.color,
            dash: one.dash,
            marker: one.marker,
            swatch: 'line' as const,
          }))
          const one = panel({ title: all[0]?.[0] ?? '', series: drawn, legend, zeroLine: true })
          const spec = figure(
            Array.from({ length: panels }, () => one),
            { title: all[0]?.[0] ?? '', columns: 2 },
          )
          const lines = renderTerminal(spec, { width, height, color })
          expect(lines.length).toBeLessThanOrEqual(height)
          for (const text of lines.map(withoutColor)) {
            expect(cellWidth(text)).toBeLessThanOrEqual(width)
            expect(text).toBe(printable(text))
          }
        },
      ),
    )
  })

  it('differs by colour only in escapes', () => {
    const spec = figure([panel({ series: [line([0, 10], [4, 0], { name: 'code' })] })])
    const plain = renderTerminal(spec, { width: 50, height: 12 })
    const colored = renderTerminal(spec, { width: 50, height: 12, color: true })
    expect(colored.join('')).toContain('\u001b[38;5;32m')
    expect(colored.map(text => withoutColor(text).trimEnd())).toEqual(plain)
  })

  it('shows added blocks as full tiles in a layer map', () => {
    const blocks = [false, false, true].map((added, layer) => ({
      layer,
      source: Math.min(layer, 1),
      added,
      trainable: added,
      parameters: 5,
    }))
    const lines = renderTerminal(layerMapFigure({ blocks, totalParameters: 20, trainableParameters: 5 }), {
      width: 40,
      height: 14,
    })
    const row = (name: string) => lines.find(text => text.trimStart().startsWith(name))!
    expect(row('expanded').replace(/ /g, '')).toMatch(/^expanded┤░+█+$/)
    expect(row('base').replace(/ /g, '')).toMatch(/^base┤░+$/)
  })
})

describe('text', () => {
  it('counts terminal columns and cuts between whole characters', () => {
    expect(['abc', '学习', '🦙', 'e\u0301', ''].map(cellWidth)).toEqual([3, 4, 2, 1, 0])
    expect(fitCells('学习学习', 5)).toBe('学习…')
    expect(fitCells('abc', 3)).toBe('abc')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 0, max: 20 }), (text, width) => {
        expect(cellWidth(fitCells(text, width))).toBeLessThanOrEqual(width)
      }),
    )
  })

  it('lets no control character, direction override or lone surrogate through', () => {
    expect(printable('a\u001b[31m\u202e\ud800b\n')).toBe('a\ufffd[31m\ufffd\ufffdb\ufffd')
  })
})
