import { execFile } from 'node:child_process'
import { appendFileSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { History, matchesGlob, parseHistoryQuery } from '../../kernel/protocol/history.js'
import { temporaryDirectory } from '../support/temporary.js'

const dir = temporaryDirectory('history')
const write = (name: string, text: string) => {
  writeFileSync(join(dir, name), text)
  return join(dir, name)
}
const cell = (line: number, source = `cell ${line}`) => ({ line, source, output: null })
const tail = (history: History, n: number) => history.query({ access: 'tail', n }).map(entry => entry.source)

describe('the history', () => {
  test('goes on over sessions, which are numbered', () => {
    const path = join(dir, 'sessions', 'history.jsonl')
    const first = new History({ path })
    first.add(cell(1))
    const second = new History({ path })
    second.add(cell(1, 'other'))
    expect([first.session, second.session]).toEqual([1, 2])
    const range = { access: 'range', start: 0, stop: null } as const
    expect(second.query({ ...range, session: 0 }).map(entry => entry.source)).toEqual(['other'])
    expect(second.query({ ...range, session: -1 }).map(entry => entry.source)).toEqual(['cell 1'])
    expect(statSync(path).mode & 0o077).toBe(0)
  })

  test.skipIf(process.platform === 'win32')('a file that keeps nothing gives a session all the same', () => {
    const history = new History({ path: '/dev/null' })
    history.add(cell(1))
    expect([history.session, tail(history, 5)]).toEqual([1, ['cell 1']])
  })

  test('stays small on disk and in memory', () => {
    const path = join(dir, 'small.jsonl')
    const history = new History({ path, maxEntries: 10 })
    for (let n = 1; n <= 1000; n++) history.add(cell(n))
    expect(tail(history, 10)).toEqual(Array.from({ length: 10 }, (_, n) => `cell ${n + 991}`))
    expect(history.query({ access: 'tail', n: 1000 }).length).toBeLessThanOrEqual(20)
    expect(readFileSync(path, 'utf8').split('\n').length).toBeLessThanOrEqual(23)
    const reopened = new History({ path, maxEntries: 10 })
    expect(reopened.query({ access: 'tail', n: 1000 }).length).toBeLessThanOrEqual(10)
  })

  test('what other sessions have added survives that the file is written anew', () => {
    const path = join(dir, 'shared.jsonl')
    const [one, other] = [new History({ path, maxEntries: 10 }), new History({ path, maxEntries: 10 })]
    for (let n = 1; n <= 18; n++) one.add(cell(n))
    other.add(cell(1, 'of the other'))
    for (let n = 19; n <= 21; n++) one.add(cell(n))
    const third = new History({ path, maxEntries: 10 })
    expect(tail(third, 10)).toContain('of the other')
    expect(tail(third, 10)).toContain('cell 21')
    expect(third.session).toBe(3)
    expect(new History({ path, maxEntries: 10 }).session).toBe(4)
  })

  test('sessions that begin at the same time have numbers of their own', async () => {
    const path = join(dir, 'together.jsonl')
    const script = `
      import { History } from ${JSON.stringify(new URL('../../kernel/protocol/history.ts', import.meta.url).href)}
      while (Date.now() < Number(process.argv[1]));
      for (let n = 0; n < 20; n++) console.log(new History({ path: ${JSON.stringify(path)} }).session)`
    const at = String(Date.now() + 1500)
    const run = promisify(execFile)
    const outputs = await Promise.all(
      [1, 2, 3].map(() => run(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script, at])),
    )
    const sessions = outputs.flatMap(({ stdout }) => stdout.trim().split('\n').map(Number))
    expect(sessions.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, n) => n + 1))
  })

  test('forgets by size too, leaves out huge cells and cuts huge outputs', () => {
    const history = new History({ path: null, maxChars: 100, maxTotalChars: 300 })
    history.add(cell(1, 'x'.repeat(101)))
    expect(tail(history, 10)).toEqual([])
    for (let n = 0; n < 50; n++) history.add({ line: n, source: `s${n}`, output: 'o'.repeat(200) })
    const entries = history.query({ access: 'tail', n: 100 })
    expect(entries.length).toBeLessThan(7)
    expect(entries[0]!.output).toHaveLength(100)
  })

  test('passes over lines that are no entries', () => {
    const path = join(dir, 'broken.jsonl')
    writeFileSync(
      path,
      '{"session":4,"line":1,"source":"good","output":null}\n{"session":\nnull\n[]\n{"session":5}\n7\n',
    )
    appendFileSync(path, '{"session":4,"line":2,"source":"cut of')
    const history = new History({ path })
    expect(history.session).toBe(6)
    expect(tail(history, 10)).toEqual(['good'])
  })

  test.each([
    ['is below a file', () => join(write('a-file', ''), 'state', 'history.jsonl')],
    ['is a directory', () => dir],
  ])('a path that %s: the history goes on in memory, and says so once', (_, pathOf) => {
    const problems: string[] = []
    const history = new History({ path: pathOf(), onProblem: message => problems.push(message) })
    history.add(cell(1))
    expect(tail(history, 10)).toEqual(['cell 1'])
    expect(problems).toEqual([expect.stringMatching(/in memory only: E(NOTDIR|EXIST|ISDIR).*LLAMA_PRO_HISTORY=<file>/)])
  })

  test('a file that goes away while it is used', () => {
    const problems: string[] = []
    const path = join(dir, 'gone', 'history.jsonl')
    const history = new History({ path, maxEntries: 2, onProblem: message => problems.push(message) })
    rmSync(dirname(path), { recursive: true })
    for (let n = 1; n < 9; n++) history.add(cell(n))
    expect(tail(history, 2)).toEqual(['cell 7', 'cell 8'])
    expect(problems).toHaveLength(1)
  })

  test('search: pattern, the newest n, each source once', () => {
    const history = new History({ path: null })
    for (const [line, source] of ['a = 1', 'b = 2', 'a = 1', 'print(a)\na'].entries()) history.add(cell(line, source))
    const search = (pattern: string, options: object = {}) =>
      history.query(parseHistoryQuery({ hist_access_type: 'search', pattern, ...options })).map(entry => entry.line)
    expect(search('? = ?')).toEqual([0, 1, 2])
    expect(search('? = ?', { n: 2 })).toEqual([1, 2])
    expect(search('? = ?', { unique: true })).toEqual([1, 2])
    expect(search('*a*')).toEqual([0, 2, 3])
  })

  test('a glob is what its regular expression is, and never slow', () => {
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 })
    fc.assert(
      fc.property(pattern, text, (glob, subject) => {
        const expression = new RegExp(`^${glob.replace(/\*/g, '.*').replace(/\?/g, '.')}$`, 's')
        expect(matchesGlob(glob, subject)).toBe(expression.test(subject))
      }),
      { numRuns: 1000 },
    )
    const started = performance.now()
    expect(matchesGlob('*a*a*a*a*a*a*a*a*b', 'a'.repeat(20_000))).toBe(false)
    expect(performance.now() - started).toBeLessThan(1000)
  })
})
