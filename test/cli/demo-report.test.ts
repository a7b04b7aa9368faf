import { expect, test } from 'vitest'
import { forgettingSentence } from '../../repl/cli/demo-report.js'

/** Results with these changes of bits per byte. */
function result(changes: Record<string, number>) {
  const probes = Object.entries(changes).map(([probe, change]) => ({
    probe,
    bitsPerByteBefore: 2,
    bitsPerByteAfter: 2 + change,
    deltaNats: change,
    deltaLow: change,
    deltaHigh: change,
  }))
  return { probes }
}

test('the demo says what full fine-tuning forgot most and how much of it the expansion did', () => {
  const full = result({ general: 0.4, code: -1 })
  expect(forgettingSentence(result({ general: 0.1, code: -0.8 }), full)).toBe(
    'Full fine-tuning lost 0.400 bits/byte of "general"; the expansion 0.100, 25 % of it.',
  )
  expect(forgettingSentence(result({ general: -0.1, code: -0.8 }), full)).toContain('the expansion lost nothing')
  expect(forgettingSentence(result({ general: 0.1 }), result({ general: -0.1 }))).toBeNull()
})
