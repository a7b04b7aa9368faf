/**
 * Writes the shards of the demo, or compares them with what is there:
 *
 *     npx tsx datasets/demo/generate.ts [--check] [code] [math]
 *
 * Without a name both sources are made. `--check` writes nothing and exits 1 when a file differs.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { writeFileAtomic } from '../../src/util/atomic-file.js'
import { codeShards } from './code-shards.js'
import { mathShards } from './math-shards.js'
import { differences, type ShardFile } from './shard-file.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = fileURLToPath(new URL('.', import.meta.url))
const sources: Record<string, () => ShardFile[]> = { code: () => codeShards(root), math: mathShards }

/** Runs the command line and returns the exit code: 0 done, 1 files differ, 2 bad usage. */
function main(args: readonly string[]): number {
  const names = args.filter(arg => arg !== '--check')
  const unknown = names.find(name => !(name in sources))
  if (unknown !== undefined) {
    console.error(`unknown argument ${JSON.stringify(unknown)}: expected --check, ${Object.keys(sources).join(' or ')}`)
    return 2
  }
  const files = (names.length > 0 ? names : Object.keys(sources)).flatMap(name => sources[name]!())
  return args.includes('--check') ? check(files) : write(files)
}

function check(files: readonly ShardFile[]): number {
  const found = differences(files, folder)
  for (const line of found) console.error(line)
  console.log(
    found.length === 0
      ? `${files.length} files are as the generator makes them`
      : 'run: npx tsx datasets/demo/generate.ts',
  )
  return found.length === 0 ? 0 : 1
}

function write(files: readonly ShardFile[]): number {
  for (const { path, bytes } of files) {
    writeFileAtomic(join(folder, path), bytes)
    console.log(`${path}: ${bytes.byteLength} bytes`)
  }
  return 0
}

process.exitCode = main(process.argv.slice(2))
