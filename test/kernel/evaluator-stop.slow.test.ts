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

test('a cell that is stopped while the library loads does not run, and the names are there when it has loaded', async () => {
  expect((await cell('late')).failure).toBe('Error: cannot be loaded yet')
  interruptSoon(20)
  const stopped = await cell('(globalThis as any).hasRun = true; late')
  expect(stopped.failure).toMatch(/^Interrupted: /)
  setTimeout(release, 20)
  expect((await cell('late')).text).toBe('7')
  await sleep(50)
  expect((await cell('(globalThis as any).hasRun')).result).not.toHaveProperty('value')
  expect(attempts).toBe(2)
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

test('a stop that comes before the cell has begun is for it', async () => {
  await cell('1')
  flag()[0] = 1
  expect((await cell('const until = Date.now() + 2000; while (Date.now() < until) {}')).failure).toMatch(/^Interrupted/)
  flag()[0] = 1
  const stopped = await cell('console.log("ran")')
  expect([stopped.failure, stopped.stdout()]).toEqual([expect.stringMatching(/^Interrupted/), ''])
  expect((await cell('2')).text).toBe('2')
})

test('a local file that failed is run anew by the next import, from wherever it is imported', async () => {
  const write = (name: string, text: string) => writeFileSync(join(cwd, name), text)
  const state = globalThis as { isReady?: boolean }
  write('deep.ts', 'if (!(globalThis as any).isReady) throw new Error("not ready")\nexport const deep = 1')
  write('middle.ts', 'import { deep } from "./deep"\nexport const middle = deep + 1')
  write('other.ts', 'import { deep } from "./deep"\nexport const other = deep + 2')
  for (const name of ['middle', 'deep', 'middle'])
    expect((await cell(`(await import('./${name}')).${name}`)).failure).toBe('Error: not ready')
  state.isReady = true
  expect((await cell('(await import("./other")).other')).text).toBe('3')
  expect((await cell('import { middle } from "./middle"; middle')).text).toBe('2')
  Reflect.deleteProperty(state, 'isReady')
})

test('a local file in a circle with one that failed is run anew too', async () => {
  const write = (name: string, text: string) => writeFileSync(join(cwd, name), text)
  const state = globalThis as { isReady?: boolean }
  write(
    'a.ts',
    'import { b } from "./b"\nif (!(globalThis as any).isReady) throw new Error("a")\nexport const a = () => b',
  )
  write('b.ts', 'import { a } from "./a"\nexport const b = 5\nexport const viaA = () => a()')
  expect((await cell('await import("./a")')).failure).toBe('Error: a')
  state.isReady = true
  expect((await cell('(await import("./b")).viaA()')).text).toBe('5')
  Reflect.deleteProperty(state, 'isReady')
})

test('what takes time to show is shown before the error of its cell', async () => {
  const later =
    '{ [Symbol.for("Jupyter.display")]: async () => (await new Promise(r => setTimeout(r, 50)), { "text/plain": "slow" }) }'
  const broken = '{ [Symbol.for("Jupyter.display")]: async () => { throw new Error("not shown") } }'
  const ran = await cell(`display(${later}); display(${broken}); display("after"); throw new Error("no")`)
  expect(ran.failure).toBe('Error: no')
  const shown = ran.outputs.flatMap(output => (output.kind === 'display' ? [output.data['text/plain']] : []))
  expect(shown).toEqual(['slow', "'after'"])
  expect(ran.stderr()).toMatch(/^Uncaught [\s\S]*Error: not shown/)
})

test('an error that nobody caught is told of although the cell was interrupted; what the stop ended is not', async () => {
  interruptSoon(30)
  const ran = await cell(`
    import { setTimeout as wait } from "node:timers/promises"
    void wait(60_000, null, { signal: interrupted })
    setTimeout(() => { throw new LabError("ABORTED", "the run was aborted") }, 70)
    setTimeout(() => { throw new Error("too late") }, 80); await new Promise(() => {})
  `)
  expect(ran.failure).toMatch(/^Interrupted/)
  await expect.poll(ran.stderr).toContain('too late')
  expect(ran.stderr()).not.toMatch(/AbortError|ABORTED/)
})

test('what another cell has left running goes on when a cell is stopped', async () => {
  await cell(`
    let timed = 0; let awaited = 0; let done = false
    const timer = setInterval(() => { for (const _ of [1, 2]) timed++ }, 1)
    void (async () => { while (!done) { await new Promise(r => setTimeout(r, 1)); awaited++ } })()`)
  // the timers come round many times while the request stands
  for (let n = 0; n < 3; n++) {
    setTimeout(() => {
      flag()[0] = 1
    }, 30)
    expect((await cell('await new Promise(() => {})')).failure).toMatch(/^Interrupted/)
  }
  const counts = async () => JSON.parse(String((await cell('JSON.stringify([timed, awaited])')).text).slice(1, -1))
  const [timed, awaited] = await counts()
  await sleep(100)
  const later = await counts()
  expect([later[0] > timed, later[1] > awaited]).toEqual([true, true])
  await cell('clearInterval(timer); done = true')
})

test('a display that fails after its cell has ended is reported there', async () => {
  const broken = '{ [Symbol.for("Jupyter.display")]: async () => { throw new Error("not shown") } }'
  const ran = await cell(`setTimeout(() => { display(${broken}); display("after") }, 20); 1`)
  expect(ran.text).toBe('1')
  await expect.poll(ran.stderr, { timeout: 10_000 }).toMatch(/^Uncaught [\s\S]*Error: not shown/)
  await expect.poll(() => ran.outputs.filter(({ kind }) => kind === 'display').length).toBe(1)
})
