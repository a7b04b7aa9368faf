import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Cell } from '../../kernel/evaluator/cell.js'
import { withPlainText } from '../../kernel/evaluator/display.js'
import { isBare, packageOf } from '../../kernel/evaluator/modules.js'
import type { CellOutput } from '../../kernel/evaluator/types.js'
import { heatMap } from '../../src/plot/heat-map.js'
import { sleep } from './evaluator-support.js'

describe('heat map', () => {
  const fills = (svg: string | null) => [...(svg ?? '').matchAll(/<rect [^>]*fill="([^"]+)"/g)].map(match => match[1])

  test('zero is white, signs have their colour, what is not finite is black', () => {
    expect(fills(heatMap([-2, 0, 2, Number.NaN], [2, 2]))).toEqual([
      'rgb(0,114,178)',
      'rgb(255,255,255)',
      'rgb(213,94,0)',
      '#000',
    ])
  })

  test('any shape gives at most 48 x 48 cells with readable colours, scalars none', () => {
    expect(heatMap([1], [])).toBeNull()
    const shapes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 3 })
    const check = fc.property(shapes, fc.double(), (shape, value) => {
      const size = shape.reduce((product, length) => product * length, 1)
      const cells = fills(heatMap(new Float64Array(size).fill(value), shape))
      const side = (length: number) => Math.min(length, 48)
      expect(cells).toHaveLength(size < 2 ? 0 : side(shape.at(-1)!) * side(shape.at(-2) ?? 1))
      expect(cells.every(fill => /^(#000|rgb\(\d+,\d+,\d+\))$/.test(fill!))).toBe(true)
    })
    fc.assert(check, { numRuns: 30 })
  })
})

describe('output of a cell', () => {
  const started = () => {
    const outputs: CellOutput[] = []
    return { outputs, cell: new Cell(1, { onOutput: output => outputs.push(output) }) }
  }

  test('text of one stream is joined, a change of stream or a display sends it first', async () => {
    const { cell, outputs } = started()
    cell.write('stdout', 'a')
    cell.write('stdout', 'b')
    cell.write('stderr', 'c')
    cell.display({ 'text/plain': 'd' }, {})
    cell.write('stdout', 'e')
    await sleep(60)
    expect(outputs.map(output => ('text' in output ? `${output.name}:${output.text}` : output.kind))).toEqual([
      'stdout:ab',
      'stderr:c',
      'display',
      'stdout:e',
    ])
  })

  test('an interrupted cell sends what it had written and nothing after', async () => {
    const { cell, outputs } = started()
    cell.write('stdout', 'before')
    cell.interrupt()
    cell.write('stdout', 'after')
    cell.clear(false)
    await sleep(60)
    expect(outputs).toEqual([{ kind: 'stream', name: 'stdout', text: 'before' }])
    expect(cell.signal.aborted).toBe(true)
  })

  test('a burst is sent in large pieces and loses nothing', () => {
    const { cell, outputs } = started()
    const line = `${'x'.repeat(99)}\n`
    for (let i = 0; i < 20_000; i++) cell.write('stdout', line)
    cell.flush()
    const text = outputs.map(output => (output.kind === 'stream' ? output.text : '')).join('')
    expect(text.length).toBe(2_000_000)
    expect(outputs.length).toBeLessThan(80)
  })
})

test('names of packages and paths', () => {
  expect(['arquero', '@scope/name', 'node:fs', './x', '../x', '/x', 'file:///x'].map(isBare)).toEqual([
    true,
    true,
    false,
    false,
    false,
    false,
    false,
  ])
  expect(['a/b/c', '@s/a/b', 'a'].map(packageOf)).toEqual(['a', '@s/a', 'a'])
})

test('a bundle always has plain text', () => {
  expect(withPlainText({ 'text/html': '<b>' })).toEqual({ 'text/html': '<b>', 'text/plain': '<b>' })
  expect(withPlainText({ 'application/json': { a: 1 } })['text/plain']).toBe('[application/json]')
  expect(withPlainText({ 'text/plain': 'own', 'text/html': '<i>' })['text/plain']).toBe('own')
})
