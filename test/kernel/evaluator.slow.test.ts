import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Evaluator } from '../../kernel/evaluator/evaluator.js'
import { runCell, sleep } from './evaluator-support.js'

let cwd: string
let evaluator: Evaluator
const cell = (code: string, options = {}) => runCell(evaluator, code, options)

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'lab-evaluator-'))
  evaluator = await Evaluator.start({ cwd })
})
afterAll(async () => {
  await evaluator.dispose()
  rmSync(cwd, { recursive: true, force: true })
})

function write(path: string, text: string): void {
  mkdirSync(join(cwd, path, '..'), { recursive: true })
  writeFileSync(join(cwd, path), text)
}

describe('cells share one scope', () => {
  test('a function of an earlier cell sees a later assignment', async () => {
    await cell('let lr = 0.001; function step() { return lr }')
    expect((await cell('lr = 0.5; step()')).text).toBe('0.5')
    await cell('let n = 0; function grow() { return ++n }')
    expect((await cell('n += 5; grow(); n')).text).toBe('6')
  })

  test('a name of an earlier cell in shorthand', async () => {
    await cell('const k = 1')
    expect((await cell('({ k })')).text).toBe('{ k: 1 }')
  })

  test('for await alone in a cell', async () => {
    await cell('async function* shards() { yield "a"; yield "b" }')
    expect((await cell('for await (const shard of shards()) { console.log(shard) }')).stdout()).toBe('a\nb\n')
  })

  test('every kind of declaration may be declared again as any other', async () => {
    const kinds = ['let', 'const', 'var'].map(kind => `${kind} again = "${kind}"`)
    const all = [...kinds, 'class again {}', 'function again() {}', 'enum again { A }']
    for (const first of all) {
      for (const second of all) {
        expect((await cell(first)).failure).toBe('')
        expect((await cell(`${second}; typeof again`)).text).toMatch(/^'(string|function|object)'$/)
      }
    }
  })

  test('functions are hoisted in their cell, call each other and see a new definition', async () => {
    expect(
      (
        await cell(
          'const h = twice(4); function twice(x: number) { return 2 * one(x) }; function one(x: number) { return x }; h',
        )
      ).text,
    ).toBe('8')
    await cell('function one(x: number) { return x + 1 }')
    expect((await cell('twice(4)')).text).toBe('10')
    expect((await cell('twice.name')).text).toBe("'twice'")
  })

  test('var in loops, patterns and blocks belongs to the session', async () => {
    expect((await cell('for (var i = 0, j = 1; i < 3; i++) {}; if (i) { var z = i + j } z')).text).toBe('4')
    expect(
      (await cell('var { a, b: [c = 2], ...others } = { a: 1, b: [], d: 4 } as any; [a, c, others, i]')).text,
    ).toBe('[ 1, 2, { d: 4 }, 3 ]')
    expect((await cell('for (var key in { p: 1 }) {} for (var [q] of [[7]]) {} [key, q]')).text).toBe("[ 'p', 7 ]")
  })

  test('what a failed cell declared is kept, the rest may be declared again', async () => {
    expect(
      (await cell('const before = 1; const bad: number = (() => { throw new Error("no") })(); const after = 2'))
        .failure,
    ).toBe('Error: no')
    expect((await cell('before')).text).toBe('1')
    expect((await cell('const after = 3; after')).text).toBe('3')
  })

  test('types, interfaces and enums live on', async () => {
    await cell('interface Point { x: number } type Pair = [Point, Point]; enum Kind { Old, New }')
    expect((await cell('const pair: Pair = [{ x: 1 }, { x: 2 }]; Kind[pair[0].x]')).text).toBe("'New'")
  })
})

describe('results', () => {
  test('the last expression is the result, a declaration is not', async () => {
    expect((await cell('const a1 = 5; a1 * 2')).text).toBe('10')
    expect((await cell('await Promise.resolve("later")')).text).toBe("'later'")
    expect((await cell('var v1 = 3')).result).toEqual({ status: 'ok', count: expect.any(Number) })
    expect((await cell('null')).text).toBe('null')
    expect((await cell('undefined')).result).not.toHaveProperty('value')
    expect((await cell('')).result.status).toBe('ok')
  })

  test('the same cell again', async () => {
    expect((await cell('1 + 1')).text).toBe('2')
    expect((await cell('1 + 1')).text).toBe('2')
  })

  test('only cells that are kept count', async () => {
    const first = await cell('1')
    const silent = await cell('2', { silent: true })
    const next = await cell('3')
    const count = (ran: typeof first) => (ran.result.status === 'ok' ? ran.result.count : -1)
    expect(silent.text).toBeUndefined()
    expect([count(silent), count(next)]).toEqual([count(first), count(first) + 1])
  })
})

describe('errors', () => {
  test("TypeScript's errors stop the cell, with its positions and codes", async () => {
    const ran = await cell('console.log("not reached")\nlet rate: number = "fast"')
    expect(ran.stdout()).toBe('')
    expect(ran.failure).toMatch(
      /^TypeScriptError: In\[\d+\]:2:5 - error TS2322: Type 'string' is not assignable to type 'number'\.$/,
    )
    const { traceback } = (ran.result as { error: { traceback: string[] } }).error
    expect(traceback.join('\n')).toMatch(/2 \| let rate: number = "fast"\n {2}\| {5}\^+\nerror TS2322/)
  })

  test('a stack points into the cells it went through and ends there', async () => {
    await cell('function deep(x: number) {\n  if (x > 0) throw new RangeError("too deep")\n}')
    const ran = await cell('type Unused = string\n\ndeep(1)')
    const { traceback } = (ran.result as { error: { traceback: string[] } }).error
    const text = traceback.join('\n')
    expect(text).toMatch(/In\[\d+\]:2:20\n2 \| {3}if \(x > 0\) throw/)
    expect(text).toMatch(/RangeError: too deep\n {4}at deep \(In\[\d+\]:2:20\)\n {4}at In\[\d+\]:3:1$/)
  })

  test('causes, and things thrown that are no errors', async () => {
    const ran = await cell('throw new Error("outer", { cause: new TypeError("inner") })')
    expect((ran.result as { error: { traceback: string[] } }).error.traceback.join('\n')).toContain(
      'caused by: TypeError: inner',
    )
    expect((await cell('throw "text"')).failure).toBe("thrown string: 'text'")
    expect((await cell('throw undefined')).failure).toBe('thrown undefined: undefined')
    expect((await cell('throw { code: 7 }')).failure).toBe('thrown object: { code: 7 }')
    expect((await cell('await Promise.reject(null)')).failure).toBe('thrown null: null')
  })

  test('process.exit does not end the process', async () => {
    const ran = await cell('process.exit(0)')
    expect(ran.failure).toContain('process.exit() in a cell would end the kernel')
    expect((await cell('"alive"')).text).toBe("'alive'")
  })

  test('errors that nobody catches are reported to their cell', async () => {
    const timer = await cell('setTimeout(() => { throw new Error("late timer") }, 5)')
    const promise = await cell('void Promise.reject(new Error("late promise")); 1')
    await sleep(100)
    expect(timer.stderr()).toContain('late timer')
    expect(promise.stderr()).toContain('late promise')
    expect((await cell('2')).text).toBe('2')
  })
})

describe('outputs', () => {
  test('a timer writes to the cell that started it', async () => {
    const first = await cell('setTimeout(() => console.log("from the first"), 60); 1')
    const second = await cell('await new Promise(r => setTimeout(r, 150)); console.log("from the second")')
    expect(first.stdout()).toBe('from the first\n')
    expect(second.stdout()).toBe('from the second\n')
  })

  test('console has its groups, and direct writes arrive too', async () => {
    const ran = await cell(
      'console.group("G"); console.info("in"); console.groupEnd(); console.error("bad"); process.stdout.write("raw"); console.table([{ a: 1 }])',
    )
    expect(ran.stdout()).toMatch(/^G\n {2}in\nraw┌/)
    expect(ran.stderr()).toBe('bad\n')
  })

  test('writes of one moment are one output', async () => {
    const ran = await cell('for (let i = 0; i < 1000; i++) console.log(i)')
    expect(ran.stdout()).toHaveLength(3890)
    expect(ran.outputs.length).toBeLessThan(20)
  })

  test('a cell that computes without a pause shows its progress', async () => {
    const at: number[] = []
    const start = performance.now()
    await evaluator.run(
      'const t0 = performance.now(); while (performance.now() - t0 < 400) { if (Math.random() < 1e-4) console.log("x") }',
      {
        onOutput: () => at.push(performance.now() - start),
      },
    )
    expect(at.length).toBeGreaterThan(3)
    expect(at.at(-1)! - at[0]!).toBeGreaterThan(200)
  })

  test('display shows bundles, updates them in place and clears', async () => {
    const ran = await cell(`
      const shown = display({ 'text/html': '<b>1</b>' }, { raw: true, metadata: { isolated: true } })
      shown.update({ 'text/html': '<b>2</b>', 'text/plain': 'two' }, { raw: true })
      display.clear({ wait: true })
      display(new Map([['k', 1]]))
    `)
    const displayId = expect.any(String)
    const html = (text: string, plain: string) => ({ 'text/html': text, 'text/plain': plain })
    expect(ran.outputs).toEqual([
      { kind: 'display', data: html('<b>1</b>', '<b>1</b>'), metadata: { isolated: true }, displayId, isUpdate: false },
      { kind: 'display', data: html('<b>2</b>', 'two'), metadata: {}, displayId, isUpdate: true },
      { kind: 'clear', wait: true },
      { kind: 'display', data: { 'text/plain': "Map(1) { 'k' => 1 }" }, metadata: {}, displayId, isUpdate: false },
    ])
    const ids = ran.outputs.flatMap(output => (output.kind === 'display' ? [output.displayId] : []))
    expect(ids[0]).toBe(ids[1])
    expect(ids[0]).not.toBe(ids[2])
    expect(ran.text).toBeUndefined()
  })

  test('prompt asks the front end', async () => {
    const input = async (message: string, password: boolean) => `${message}/${password}`
    expect((await cell('await prompt("name?", { password: true })', { input })).text).toBe("'name?/true'")
    expect((await cell('await prompt("name?")')).failure).toContain('does not ask for input')
  })
})

describe('imports', () => {
  test('an ESM package with only an exports map and a top-level await, static and dynamic', async () => {
    write(
      'node_modules/only-exports/package.json',
      '{"name":"only-exports","type":"module","exports":{".":{"import":"./main.js"},"./sub":"./sub.js"}}',
    )
    write(
      'node_modules/only-exports/main.js',
      'export const late = await Promise.resolve(41); export default () => late + 1; export let live = 0',
    )
    write('node_modules/only-exports/sub.js', 'export const sub = "part"')
    const ran = await cell(
      'import answer, { late as early } from "only-exports"; import { sub } from "only-exports/sub"; [answer(), early, sub]',
    )
    expect(ran.text).toBe("[ 42, 41, 'part' ]")
    expect((await cell('(await import("only-exports")).late')).text).toBe('41')
    expect((await cell('answer()')).text).toBe('42')
  })

  test('CommonJS packages, Node itself, JSON, require', async () => {
    write('node_modules/old-style/package.json', '{"name":"old-style","main":"main.js"}')
    write('node_modules/old-style/main.js', 'module.exports = { two: 2 }')
    write('node_modules/require-only/package.json', '{"name":"require-only","exports":{"require":"./main.cjs"}}')
    write('node_modules/require-only/main.cjs', 'module.exports = { three: 3 }')
    write('data.json', '{"rows": 4}')
    const ran = await cell(
      'import { two } from "old-style"; import { three } from "require-only"; import { sep } from "path"; import data from "./data.json"; [two, three, sep, data.rows, require("old-style").two]',
    )
    expect(ran.text).toBe("[ 2, 3, '/', 4, 2 ]")
  })

  test('what is not there is an error, until it is there', async () => {
    expect((await cell('import { x } from "not-installed"')).failure).toContain(
      "TS2307: Cannot find module 'not-installed'",
    )
    write(
      'node_modules/not-installed/package.json',
      '{"name":"not-installed","type":"module","exports":{"import":"./main.js"}}',
    )
    write('node_modules/not-installed/main.js', 'export const x = "installed"')
    expect((await cell('import { x } from "not-installed"; x')).text).toBe("'installed'")
    expect((await cell('await import("nowhere" as string)')).failure).toContain("Cannot find package 'nowhere'")
    expect((await cell('const anything: any = 0; import { missing } from "not-installed"; missing')).failure).toMatch(
      /missing/,
    )
  })

  test('local TypeScript files are read again when they change, and those that they import', async () => {
    write(
      'helper.ts',
      'import { base } from "./base.js"\nexport const value: number = base * 10\nexport let count = 0\nexport const up = () => ++count',
    )
    write('base.ts', 'export const base = await Promise.resolve(1)')
    expect(
      (
        await cell(
          'import { value, up } from "./helper"; import * as helper from "./helper"; up(); [value, helper.count]',
        )
      ).text,
    ).toBe('[ 10, 1 ]')
    expect((await cell('import { up as upAgain } from "./helper.ts"; upAgain()')).text).toBe('2')
    write('base.ts', 'export const base = 22')
    utimesSync(join(cwd, 'base.ts'), new Date(), new Date(Date.now() + 5000))
    expect((await cell('import { value as value2 } from "./helper"; value2')).text).toBe('220')
  })

  test('errors in local files: of types with the name of the file, at run time with the line', async () => {
    write('typed.ts', 'export const n: number = "s"')
    expect((await cell('import { n as n1 } from "./typed"')).failure).toMatch(/typed\.ts:1:14 - error TS2322/)
    write('broken.ts', '\ninterface Gone { a: 1 }\nexport function fail(): never {\n  throw new Error("in file")\n}')
    const ran = await cell('import { fail } from "./broken"; fail()')
    expect((ran.result as { error: { traceback: string[] } }).error.traceback.join('\n')).toMatch(
      /at .*fail \(.*broken\.ts:4:9\)/,
    )
  })

  test('packages of the library from any folder, without types', async () => {
    const ran = await cell('import { render } from "ink"; typeof render')
    expect(ran.text).toBe("'function'")
    expect(ran.stderr()).toContain("warning: 'ink' has no types")
  })

  test('arquero from any folder, with its types', async () => {
    const ran = await cell(
      'import * as aq from "arquero"; const t = aq.table({ a: [1, 2] }); const thr = 1; t.params({ thr }).filter((d: any, $: any) => d.a > $.thr)',
    )
    expect(ran.failure).toBe('')
    expect(ran.text).toBe('a\n2\n1 rows x 1 columns')
    expect((await cell('t.nothing()')).failure).toContain('TS2339')
  })
})

describe('interrupt', () => {
  const interruptSoon = (timeoutMs: number) => setTimeout(() => evaluator.interrupt(), timeoutMs)
  const flag = () => new Int32Array(evaluator.interruptBuffer)
  const raiseFlag = `const { workerData } = require('node:worker_threads'); setTimeout(() => { new Int32Array(workerData)[0] = 1 }, 100)`
  const raiseFromThread = async () => {
    const { Worker } = await import('node:worker_threads')
    new Worker(raiseFlag, { eval: true, workerData: evaluator.interruptBuffer, execArgv: [] })
  }

  test.each([
    ['an empty loop', 'const kept = 1; while (true) {}', 'kept'],
    ['a loop that catches everything', 'const kept = 2; while (true) { try { JSON.parse("{") } catch {} }', 'kept'],
    ['a loop inside a package', 'const kept = 3; [0].map(() => { /(a+)+$/.test("a".repeat(60) + "b") })', 'kept'],
    ['a loop after an await', 'const kept = 4; await new Promise(r => setTimeout(r, 20)); for (;;) {}', 'kept'],
    ['an await that never yields', 'const kept = 5; while (true) await 1', 'kept'],
    ['an await for ever', 'const kept = 6; await new Promise(() => {})', 'kept'],
  ])('%s ends within a second, from another thread', async (_, code, name) => {
    await raiseFromThread()
    const start = performance.now()
    const ran = await cell(code)
    expect(ran.failure).toMatch(/^Interrupted: /)
    expect(performance.now() - start).toBeLessThan(1500)
    expect((await cell(name)).text).toMatch(/^\d$/)
    expect(flag()[0]).toBe(0)
  })

  test('an awaiting loop ends for good and prints no more', async () => {
    interruptSoon(100)
    const ran = await cell(
      'let turns = 0; while (true) { await new Promise(r => setTimeout(r, 10)); turns++; console.log(turns) }',
    )
    expect(ran.failure).toMatch(/^Interrupted/)
    const printed = ran.stdout()
    const turns = Number((await cell('turns')).text)
    await sleep(100)
    expect(Number((await cell('turns')).text)).toBe(turns)
    expect(ran.stdout()).toBe(printed)
  })

  test('the signal of the cell is aborted, that of the next is not', async () => {
    interruptSoon(50)
    await cell('const mine = interrupted; await new Promise(r => setTimeout(r, 60_000))')
    expect((await cell('[mine.aborted, interrupted.aborted]')).text).toBe('[ true, false ]')
  })

  test('an interrupt when nothing runs does not hit the next cell', async () => {
    flag()[0] = 1
    await sleep(300)
    expect((await cell('let sum = 0; for (let i = 0; i < 1000; i++) sum += i; sum')).text).toBe('499500')
  })

  test('a signal given to the cell interrupts it, or keeps it from starting', async () => {
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 50)
    expect((await cell('await new Promise(() => {})', { signal: controller.signal })).failure).toMatch(/^Interrupted/)
    expect((await cell('1', { signal: controller.signal })).result).toEqual({ status: 'aborted' })
  })
})

describe('language', () => {
  test('completion of names of earlier cells and of members', async () => {
    await cell('const trainingRate = 0.1; const settings = { hiddenSize: 4, hiddenLayers: 2 }')
    const names = evaluator.complete('trainingRa', 10)
    expect(names).toMatchObject({ start: 0, end: 10 })
    expect(names.matches).toEqual(['trainingRate'])
    const members = evaluator.complete('1 + settings.hid', 16)
    expect(members).toMatchObject({ start: 13, end: 16, matches: ['hiddenLayers', 'hiddenSize'] })
    expect(members.types?.[0]).toMatchObject({ text: 'hiddenLayers', type: 'property' })
  })

  test('candidates come with signature and documentation', async () => {
    await cell(
      '/** Halves it.\n *\n * Not shown. */\nfunction halve(x: number, times = 1): number { return x / 2 ** times }',
    )
    await cell(
      'class Halver {\n  /** Of one. */\n  half(x: string): string; half(x: number): number; half(x: any) { return x } }',
    )
    const typed = (code: string) => evaluator.complete(code, code.length).types
    const halve = { text: 'halve', signature: '(x: number, times?: number): number', documentation: 'Halves it.' }
    expect(typed('1 + halv')![0]).toMatchObject({ ...halve, type: 'function', start: 4, end: 8 })
    const [half] = typed('new Halver().hal')!
    expect(half).toMatchObject({
      type: 'method',
      signature: '(x: string): string (+1 overloads)',
      documentation: 'Of one.',
    })
    expect(typed('[1].inclu')![0]!.signature).toBe('(searchElement: number, fromIndex?: number): boolean')
    expect(typed('Math.sq')![0]).toMatchObject({ text: 'sqrt', documentation: 'Returns the square root of a number.' })
    expect(typed('import * as os from "os"; os.hostn')![0]).toMatchObject({ text: 'hostname', signature: '(): string' })
    expect(typed('formatTens')![0]).toMatchObject({ text: 'formatTensor', signature: expect.stringContaining('dtype') })
    expect(typed('const deep = { a: { b() { return 1 } } }; deep.a.')![0]).toMatchObject({
      text: 'b',
      signature: '(): number',
    })
  })

  test('inspection shows type and documentation', async () => {
    await cell(
      '/** The rate at a step.\n * @param step counted from 0 */\nfunction rateAt(step: number): number { return step }',
    )
    const shown = evaluator.inspect('rateAt(', 7, 0)
    expect(shown?.['text/plain']).toContain('function rateAt(step: number): number')
    expect(shown?.['text/plain']).toContain('The rate at a step.\n\n@param step counted from 0')
    expect(shown?.['text/markdown']).toContain('```typescript\nfunction rateAt')
    await cell('/** Old.\n * @deprecated use rateAt\n * @returns one */\nconst oldRate = () => 1')
    const [brief, full] = [0, 1].map(detail => evaluator.inspect('oldRate', 3, detail as 0 | 1)?.['text/plain'])
    expect(brief).toBe('const oldRate: () => number\n\nOld.\n\n@returns one')
    expect(full).toBe('const oldRate: () => number\n\nOld.\n\n@deprecated use rateAt\n@returns one')
    expect(evaluator.inspect('Math.sqrt', 9, 0)?.['text/plain']).toContain('Returns the square root of a number.')
    expect(evaluator.inspect('1 + 2', 2, 0)).toBeNull()
  })

  test('three states of completeness', () => {
    const status = (code: string) => evaluator.isComplete(code).status
    expect(evaluator.isComplete('function f() {')).toEqual({ status: 'incomplete', indent: '  ' })
    expect(['if (x) {', 'const a = [1,', 'foo(', '`text', '/* comment', '1 +'].map(status)).toEqual(
      Array(6).fill('incomplete'),
    )
    expect(
      ['1 + 1', 'const x = await f()', 'for await (const x of y) {}', 'let a: Map<string, number>'].map(status),
    ).toEqual(Array(4).fill('complete'))
    // TSX would read the beginning of an element
    expect(['const id = <T>(x: T) => x', '<number>(x as any)', 'lab.train\n'].map(status)).toEqual(
      Array(3).fill('complete'),
    )
    expect([')', 'let x = = 1', 'a b c', 'const 1x = 2'].map(status)).toEqual(Array(4).fill('invalid'))
  })
})
