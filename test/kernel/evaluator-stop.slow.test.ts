/** Cells that are stopped at awkward moments, that fail while something of theirs goes on, and what is said of that. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Evaluator } from '../../kernel/evaluator/evaluator.js'
import { runCell, sleep } from './evaluator-support.js'

let cwd: string
let evaluator: Evaluator
const cell = (code: string, options = {}) => runCell(evaluator, code, options)
const interruptSoon = (timeoutMs: number) => setTimeout(() => evaluator.interrupt(), timeoutMs)
const flag = () => new Int32Array(evaluator.interruptBuffer)

/** What the library is waiting for before it is there; the first attempt to load it fails. */
let attempts = 0
let release = () => {}
const released = new Promise<void>(resolve => {
  release = resolve
})

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'lab-stop-'))
  const library = {
    declarations: { late: 'const late: number' },
    values: async () => {
      if (++attempts === 1) throw new Error('cannot be loaded yet')
      await released
      return { late: 7 }
    },
  }
  evaluator = await Evaluator.start({ cwd, library })
})
afterAll(async () => {
  await evaluator.dispose()
  rmSync(cwd, { recursive: true, force: true })
})

test.each([
  ['in a cell', 'let n = 0; while (true) { try { n++; await new Promise(r => setTimeout(r, 10)) } catch {} }'],
  [
    'of any kind',
    'let n = 0; do { for (;;) { try { n++; await new Promise(r => setTimeout(r, 10)) } catch {} } } while (true)',
  ],
  [
    'in a function',
    'let n = 0; const go = async () => { for (const x of Array(1e6)) try { n++; await new Promise(r => setTimeout(r, 10)) } catch {} }; await go()',
  ],
])('an awaiting loop %s that catches everything ends for good', async (_, code) => {
  interruptSoon(100)
  expect((await cell(code)).failure).toMatch(/^Interrupted/)
  await sleep(30)
  const turns = Number((await cell('n')).text)
  await sleep(100)
  expect(Number((await cell('n')).text)).toBe(turns)
})
