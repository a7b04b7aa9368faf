import { availableParallelism } from 'node:os'
import { expect, it } from 'vitest'
import { defaultThreads } from '../../src/util/threads.js'

it('is one a core, or what LLAMA_PRO_THREADS says', () => {
  expect(defaultThreads({})).toBe(availableParallelism())
  expect(defaultThreads({ LLAMA_PRO_THREADS: '' })).toBe(availableParallelism())
  expect(defaultThreads({ LLAMA_PRO_THREADS: ' 3 ' })).toBe(3)
})

it.each(['0', '-1', '1.5', 'all', '2 cores', '1000000'])('refuses %j', asked => {
  expect(() => defaultThreads({ LLAMA_PRO_THREADS: asked })).toThrow(/LLAMA_PRO_THREADS: expected a whole number/)
})
