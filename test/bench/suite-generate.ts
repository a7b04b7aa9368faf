/** Greedy generation, 128 new tokens of case b, against transformers with a KV cache. */
import { cases } from './cases.js'
import type { Measurement } from './results.js'
import { ours, peer, sideBySide } from './side-by-side.js'

export function generateSuite({ rounds }: { rounds: number }): Promise<Measurement[]> {
  const rivals = [
    ours('generate-child.ts', ['b']),
    peer('transformers', 'transformers_generate.py', [JSON.stringify(cases.b)]),
  ]
  return sideBySide('generate b', rivals, { rounds })
}
