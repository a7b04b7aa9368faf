import { expect, test } from 'vitest'
import { nearlyFullBytes } from '../../kernel/evaluator/interrupt.js'

test('a heap is nearly full at 85 % of its limit, and earlier where that leaves no room for the next cell', () => {
  const inMiB = (limit: number) => Math.round(nearlyFullBytes(limit * 2 ** 20) / 2 ** 20)
  expect([200, 448, 2096, 4144].map(inMiB)).toEqual([120, 320, 1782, 3522])
})
