import { describe, expect, it } from 'vitest'
import type { CellOutput } from '../../kernel/evaluator/types.js'
import { KeptOutputs, maxKeptChars } from '../../repl/session/kept-outputs.js'
import { notebookText } from '../../repl/session/notebook.js'

const text = (value: string, name: 'stdout' | 'stderr' = 'stdout'): CellOutput => ({
  kind: 'stream',
  name,
  text: value,
})
const shown = (value: string, displayId: string, isUpdate = false): CellOutput => ({
  kind: 'display',
  data: { 'text/plain': value },
  metadata: {},
  displayId,
  isUpdate,
})

/** The outputs of a notebook's only cell. */
function exported(...outputs: CellOutput[]): { name?: string; text?: string[]; data?: Record<string, string[]> }[] {
  const kept = new KeptOutputs()
  for (const output of outputs) kept.add(output)
  return JSON.parse(notebookText([{ source: '1', command: null, outputs: kept, result: null }])).cells[0].outputs
}

describe('an exported notebook', () => {
  it('has streams joined, displays as they are now, and nothing that was cleared', () => {
    const outputs = exported(
      text('gone'),
      { kind: 'clear', wait: true },
      text('a\n'),
      text('b\n'),
      shown('old', 'x'),
      text('c\n', 'stderr'),
      shown('new', 'x', true),
      shown('of nothing', 'y', true),
    )
    expect(outputs.map(one => one.text ?? one.data)).toEqual([['a\n', 'b\n'], { 'text/plain': ['new'] }, ['c\n']])
  })

  it('has a command as a comment, every line of it', () => {
    const command = ':generate The river\nran on'
    const cell = { source: 'await 1', command, outputs: new KeptOutputs(), result: null }
    const [{ source }] = JSON.parse(notebookText([cell])).cells
    expect(source.join('')).toBe('// :generate The river\n// ran on\nawait 1')
  })

  it('is cut, and says so, where a cell wrote without end', () => {
    const kept = new KeptOutputs()
    const line = `${'x'.repeat(1023)}\n`
    for (let written = 0; written < 3 * maxKeptChars; written += line.length) kept.add(text(line))
    expect(kept.list.length).toBe(1)
    const outputs = exported(text('y'.repeat(maxKeptChars)), text('z'), text('z'))
    expect(outputs.map(one => one.name)).toEqual(['stdout', 'stderr'])
    expect(outputs[1]!.text).toEqual([expect.stringMatching(/too much to be kept/)])
  })
})
