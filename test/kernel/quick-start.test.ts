import { setFlagsFromString } from 'node:v8'
import { expect, test } from 'vitest'
import { quickStart } from '../../kernel/evaluator/quick-start.js'

/** The bit of V8's status of a function that says it is optimised. */
const optimizedBit = 1 << 4

/** How often a function that V8 has not seen has to be called until it is optimised; `most` when it is not by then. */
async function callsUntilOptimized(most: number): Promise<number> {
  const isOptimized = new Function('f', `return (%GetOptimizationStatus(f) & ${optimizedBit}) !== 0`)
  const work = new Function(
    'turns',
    'let sum = 0; for (let i = 0; i < turns; i++) sum = (sum * 31 + i) | 0; return sum',
  )
  for (let calls = 1; calls < most; calls++) {
    work(10_000)
    // the optimiser works beside the program and hands over when it gives way
    if (calls % 20 === 0) await new Promise(resolve => setTimeout(resolve, 1))
    if (isOptimized(work)) return calls
  }
  return most
}

test('code is not optimised during the start, and is afterwards', async () => {
  setFlagsFromString('--allow-natives-syntax')
  const most = 20_000
  const before = await callsUntilOptimized(most)
  expect(before).toBeLessThan(most)
  const end = quickStart()
  const meanwhile = 2 * before
  expect(await callsUntilOptimized(meanwhile)).toBe(meanwhile)
  end()
  expect(await callsUntilOptimized(most)).toBeLessThan(most)
})
