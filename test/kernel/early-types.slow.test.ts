import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { cellDeclarations } from '../../kernel/cell-globals.js'
import { loadCompiler } from '../../kernel/evaluator/compiler-host.js'
import { EarlyTypes } from '../../kernel/evaluator/early-types.js'
import { Evaluator } from '../../kernel/evaluator/evaluator.js'
import { ambientDeclarations } from '../../kernel/evaluator/prelude.js'
import { runCell } from './evaluator-support.js'

let evaluator: Evaluator
beforeEach(async () => {
  evaluator = await Evaluator.start({ cwd: process.cwd() })
})
afterEach(() => evaluator.dispose())

describe('a first cell, before the types of Node.js are there', () => {
  test.each([
    ['process.exi()', "TS2551: Property 'exi' does not exist"],
    ['console.dir({}, { depht: 1 })', 'TS2345'],
    ['console.lgo(1)', 'TS2339'],
    ['interrupted.abortd', 'TS2551'],
    ['import { hostname } from "node:os"; const n: number = hostname()', 'TS2322'],
    ['const x: number = globalThis.process.version', 'TS2322'],
    ['setTimeout(() => {}, "1")', 'TS2'],
    ['tensor([1]).shpe', 'TS2551'],
  ])('is not let through: %s', async (code, failure) => {
    expect((await runCell(evaluator, code)).failure).toContain(failure)
  })

  test.each([
    ['console.log("hello"); [1, 2].map(x => x * 2)', '[ 2, 4 ]'],
    ['const { sep } = await import("node:path"); sep', "'/'"],
    ['typeof setTimeout(() => {}, 0).unref', "'function'"],
    ['new URL("http://a.b/c").pathname', "'/c'"],
    ['await Promise.resolve(Buffer.from("x").length)', '1'],
    ['interrupted.aborted', 'false'],
  ])('runs: %s', async (code, text) => {
    expect((await runCell(evaluator, code)).text).toBe(text)
    expect((await runCell(evaluator, 'process.version.length > 3')).text).toBe('true')
  })

  test('documentation is there when it is asked for first', () => {
    expect(evaluator.inspect('console.log', 9, 0)?.['text/plain']).toContain('Prints to `stdout` with newline')
    expect(evaluator.complete('process.argv0', 13).matches).toEqual(['argv0'])
  })
})

test('the declarations of every cell need none of the types of Node.js but that of `interrupted`', () => {
  const ts = loadCompiler()
  const early = new EarlyTypes({ cwd: '/early', nodeTypes: '', isEarly: true })
  const cells = {
    [early.path]: early.read(early.path)!,
    '/early/cells.d.ts': `export {}\n${ambientDeclarations}${cellDeclarations}`,
  }
  const options = { lib: ['lib.es2023.d.ts'], types: [], target: ts.ScriptTarget.ES2022 }
  const host = ts.createCompilerHost(options)
  const { getSourceFile } = host
  host.getSourceFile = (path, version) =>
    path in cells ? ts.createSourceFile(path, cells[path]!, version) : getSourceFile(path, version)
  const program = ts.createProgram(Object.keys(cells), options, host)
  expect(ts.getPreEmitDiagnostics(program).map(({ messageText }) => messageText)).toEqual([
    "Cannot find name 'AbortSignal'.",
  ])
})

test('what is declared early of the console is what the types of Node.js declare', () => {
  const ts = loadCompiler()
  const early = new EarlyTypes({ cwd: '/early', nodeTypes: '', isEarly: true })
  const types = dirname(createRequire(import.meta.url).resolve('@types/node/package.json'))
  const whole = ts.sys.readFile(join(types, 'console.d.ts'))!
  const methods = early.read(early.path)!.match(/^ {2}\w+\(.*;$/gm)!
  expect(methods).toHaveLength(5)
  for (const method of methods) expect(whole).toContain(method.trim())
})
