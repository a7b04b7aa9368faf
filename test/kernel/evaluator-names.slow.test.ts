/** Names of the library beside those that cells declared before the library was first used. */
import { afterEach, expect, test } from 'vitest'
import { Evaluator } from '../../kernel/evaluator/evaluator.js'
import { labGlobals } from '../../kernel/lab-globals.js'
import { runCell } from './evaluator-support.js'

let evaluator: Evaluator
afterEach(() => evaluator.dispose())

const textOf = async (code: string) => (await runCell(evaluator, code)).text

async function start(firstCells: readonly string[]): Promise<void> {
  evaluator = await Evaluator.start({ cwd: process.cwd(), library: labGlobals(() => {}) })
  for (const code of firstCells) expect((await runCell(evaluator, code)).failure).toBe('')
}

test('a word in a literal, a parameter, a property or a type of an earlier cell hides no name', async () => {
  await start([
    `const dir = '/tmp/llama-pro-lab'`,
    'function mean(tensor: number[]) { return tensor.length }',
    'const options = { aq: { table: 2 } }\ninterface Options { lab: string }',
  ])
  expect(await textOf('lab.isLoaded')).toBe('false')
  expect(await textOf('tensor([1]).dtype')).toBe("'f32'")
  expect(await textOf('aq.table({ a: [1] }).numRows()')).toBe('1')
})

test('what an earlier cell declared stays its own, the other names are there', async () => {
  await start([
    'const { a: lab, b: [tensor] } = { a: 1, b: [2] }',
    'function scalar() { return 3 }\nclass Tensor { four = 4 }\nenum zeros { five = 5 }\ninterface Lab { six: 6 }',
  ])
  expect(await textOf('aq.table({ a: [1] }).numRows()')).toBe('1')
  expect(
    await textOf('const mine: Lab = { six: 6 }; [lab, tensor, scalar(), new Tensor().four, zeros.five, mine.six]'),
  ).toBe('[ 1, 2, 3, 4, 5, 6 ]')
})
