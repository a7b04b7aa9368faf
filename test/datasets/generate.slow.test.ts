import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { differences } from '../../datasets/demo/shard-file.js'
import { repositoryRoot } from '../support/shared.js'

function generate(...args: string[]) {
  const command = [join(repositoryRoot, 'node_modules/tsx/dist/cli.mjs'), 'datasets/demo/generate.ts', ...args]
  return spawnSync(process.execPath, command, { cwd: repositoryRoot, encoding: 'utf8' })
}

describe('datasets/demo/generate.ts', () => {
  it('--check exits 0 for the shards as they are, and 2 for a source that does not exist', () => {
    const { status, stdout } = generate('--check', 'math')
    expect({ status, stdout }).toEqual({ status: 0, stdout: '3 files are as the generator makes them\n' })
    const unknown = generate('--check', 'maths')
    expect(unknown.status).toBe(2)
    expect(unknown.stderr).toContain('"maths"')
  })

  it('names every file that is missing or differs in one byte', () => {
    const folder = mkdtempSync(join(tmpdir(), 'shards-'))
    try {
      const files = ['a/same', 'a/changed', 'a/missing'].map(path => ({ path, bytes: Uint8Array.of(1, 2, 3) }))
      mkdirSync(join(folder, dirname(files[0]!.path)))
      writeFileSync(join(folder, 'a/same'), Uint8Array.of(1, 2, 3))
      writeFileSync(join(folder, 'a/changed'), Uint8Array.of(1, 2, 4))
      expect(differences(files, folder).map(line => line.split(':')[0])).toEqual(['a/changed', 'a/missing'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
