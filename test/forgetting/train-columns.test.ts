import { expect, it } from 'vitest'
import { TrainColumns } from '../../src/forgetting/train-columns.js'
import type { TrainRecord } from '../../src/train/metrics.js'
import { numbered, train } from './support.js'

it('keeps every value past any growth, and knows sources that come in late', () => {
  const columns = new TrainColumns()
  const steps = 1000
  const inputs = Array.from({ length: steps }, (_, i) => train(i, i / 7, i < 600 ? { a: i } : { a: i, late: i - 600 }))
  for (const record of numbered(inputs)) columns.push(record as TrainRecord)
  expect(columns.length).toBe(steps)
  expect([...columns.column('lossNats')]).toEqual(Array.from({ length: steps }, (_, i) => i / 7))
  const late = columns.mix().find(source => source.name === 'late')!.amounts
  expect([late.length, late[599], late[600], late[999]]).toEqual([steps, Number.NaN, 0, 399])
})
