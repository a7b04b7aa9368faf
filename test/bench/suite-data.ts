/** The data pipeline alone, a format at a time: those of the demo, and of real shards where they lie beside the checkout. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decompress } from 'fzstd'
import { hasShared, repositoryRoot, shared } from '../support/shared.js'
import type { Measurement } from './results.js'
import { ours, sideBySide } from './side-by-side.js'

const demo = (name: string) => join(repositoryRoot, 'datasets/demo', name)

/** The demo's compressed shards as plain ones in a folder, with a manifest, whose path is returned. */
function plainJsonl(folder: string): string {
  const shards = join(demo('math'), 'train')
  for (const name of readdirSync(shards).filter(name => name.endsWith('.jsonl.zst')))
    writeFileSync(join(folder, name.replace(/\.zst$/, '')), decompress(readFileSync(join(shards, name))))
  const manifest = readFileSync(demo('math.yaml'), 'utf8')
  const path = join(folder, 'math.yaml')
  writeFileSync(path, manifest.replace('math/train/*.jsonl.zst', "'*.jsonl'").replace('jsonl.zst', 'jsonl'))
  return path
}

export async function dataSuite({ rounds }: { rounds: number }): Promise<Measurement[]> {
  const folder = mkdtempSync(join(tmpdir(), 'llama-pro-data-'))
  try {
    return await measured(plainJsonl(folder), rounds)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function measured(plain: string, rounds: number): Promise<Measurement[]> {
  const formats: [string, string][] = [
    ['parquet (demo)', demo('code.yaml')],
    ['jsonl.zst (demo)', demo('math.yaml')],
    ['jsonl (demo)', plain],
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
