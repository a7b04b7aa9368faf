import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Evaluator } from '../../kernel/evaluator/evaluator.js'
import { runCell } from './evaluator-support.js'

let evaluator: Evaluator
const cell = (code: string, options = {}) => runCell(evaluator, code, options)
const numberOf = (ran: Awaited<ReturnType<typeof cell>>) => (ran.result.status === 'aborted' ? -1 : ran.result.count)

beforeAll(async () => {
  evaluator = await Evaluator.start({ cwd: process.cwd() })
})
afterAll(() => evaluator.dispose())

describe('what cells recall of earlier ones', () => {
  test('_, __ and ___ are the last results; cells without one, silent ones and failed ones leave them', async () => {
    for (const code of ['[1]', '"two"', '3']) await cell(code)
    expect((await cell('[_, __, ___]')).text).toBe("[ 3, 'two', [ 1 ] ]")
    await cell('const nothing = 1')
    await cell('"silent"', { silent: true })
    await cell('throw new Error("no")')
    expect((await cell('_.length')).text).toBe('3')
  })

  test('by number: _n, Out[n], In[n], of the types that they have', async () => {
    const n = numberOf(await cell('({ rate: 0.5, names: ["a"] })'))
    expect((await cell(`[_${n}.rate.toFixed(1), Out[${n}].names.length, In[${n}].slice(0, 8)]`)).text).toBe(
      "[ '0.5', 1, '({ rate:' ]",
    )
    expect((await cell(`_${n}.rat`)).failure).toContain("TS2551: Property 'rat' does not exist")
    expect((await cell(`Out[${n}].names.lenght`)).failure).toContain('TS2551')
    expect((await cell('const failing: number = "x"')).failure).toContain('TS2322')
    expect((await cell('In.at(-2)')).text).toBe('\'const failing: number = "x"\'')
    expect(evaluator.complete(`_${n}.na`, `_${n}.na`.length).matches).toEqual(['names'])
  })

  test('types that only a cell knows, classes and library types are recalled as such', async () => {
    await cell('class Recalled { constructor(readonly size: number) {} }')
    await cell('new Recalled(4)')
    expect((await cell('_.size + 1')).text).toBe('5')
    await cell('tensor([1, 2])')
    expect((await cell('_.shape')).text).toBe('[ 2 ]')
    await cell('tensor([1, 2])')
    expect((await cell('_.nothing')).failure).toContain('TS2339')
    await cell('(() => class { hidden = 1 })()')
    expect((await cell('typeof _')).text).toBe("'function'")
  })

  test('a name that the user has declared is the user’s from then on', async () => {
    await cell('const _ = { own: true }')
    await cell('7')
    expect((await cell('_.own')).text).toBe('true')
    expect((await cell('__')).text).toBe('7')
    await cell('const Out = "mine"')
    expect((await cell('Out.toUpperCase()')).text).toBe("'MINE'")
  })
})
