import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { cli, cliJson } from './harness.js'
import { writeTinyWorld } from './tiny-run.js'

const dir = temporaryDirectory('cli-recipe')

beforeAll(() => writeTinyWorld(dir))

function mistyped(name: string, from: string, to: string): string {
  const path = join(dir, `${name}.yaml`)
  writeFileSync(path, readFileSync(join(dir, 'expansion.yaml'), 'utf8').replace(from, to))
  return path
}

describe('a wrong recipe', () => {
  test.each([
    ['key', 'steps:', 'stepps:', 'Did you mean "steps"?'],
    ['nested', 'microBatch:', 'microbatch:', 'Did you mean "microBatch"?'],
    ['value', 'seqLen: 32', 'seqLen: many', 'data.seqLen'],
  ])('%s: exit code 2 and where it is', async (name, from, to, reason) => {
    const path = mistyped(name, from, to)
    const { code, stderr, stdout } = await cli('train', path, '--out', join(dir, 'run'))
    expect(code).toBe(2)
    expect(stderr).toContain(path)
    expect(stderr).toContain(reason)
    expect(stdout).toBe('')
  })

  test('in JSON', async () => {
    const { code, value } = await cliJson('train', mistyped('json', 'seed:', 'sed:'), '--out', join(dir, 'run'))
    expect(code).toBe(2)
    expect(value).toEqual({ error: { code: 'RECIPE', message: expect.stringContaining('Did you mean "seed"?') } })
  })
})
