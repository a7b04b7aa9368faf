/** The data pipeline alone, a format at a time: those of the demo, and of real shards where they lie beside the checkout. */
import { join } from 'node:path'
import { hasShared, repositoryRoot, shared } from '../support/shared.js'
import type { Measurement } from './results.js'
import { ours, sideBySide } from './side-by-side.js'

const demo = (name: string) => join(repositoryRoot, 'datasets/demo', name)

export async function dataSuite({ rounds }: { rounds: number }): Promise<Measurement[]> {
  const formats: [string, string][] = [
    ['parquet (demo)', demo('code.yaml')],
    ['jsonl.zst (demo)', demo('math.yaml')],
  ]
  if (hasShared('data')) {
    formats.push(
      ['parquet (The Stack, Python)', join(repositoryRoot, 'datasets/local/stack-python.yaml')],
      ['jsonl.zst (Proof-Pile-2)', join(repositoryRoot, 'datasets/local/proof-pile-2.yaml')],
      ['general English', join(repositoryRoot, 'datasets/local/general.yaml')],
    )
  } else process.stderr.write(`real shards are absent (${shared('data')}); only the demo is measured\n`)
  const results: Measurement[] = []
  for (const [name, path] of formats) {
    results.push(...(await sideBySide(`data ${name}`, [ours('data-child.ts', [path])], { rounds })))
  }
  return results
}
