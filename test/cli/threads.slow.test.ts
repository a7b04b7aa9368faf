import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test, vi } from 'vitest'
import type { EngineOptions } from '../../src/index.js'
import { temporaryDirectory } from '../support/temporary.js'
import { cli } from './harness.js'
import { writeTinyBase } from './tiny-run.js'

/** The options of every engine that was started. */
const started: EngineOptions[] = []
vi.mock('../../src/lab/engines.js', async original => {
  const real = await original<typeof import('../../src/lab/engines.js')>()
  return {
    ...real,
    createEngine: (device?: string, options: EngineOptions = {}) => {
      started.push(options)
      return real.createEngine(device, options)
    },
  }
})

const dir = temporaryDirectory('cli-threads')
const base = join(dir, 'base')
const probe = join(dir, 'probe.jsonl')

beforeAll(async () => {
  await writeTinyBase(base)
  writeFileSync(probe, '{"text":"The river and the road."}\n')
})

test.each([
  ['eval', base, '--probe', `river=${probe}`],
  ['generate', base, 'The river', '--max-new-tokens', '1'],
  ['verify', base, base, '--prompt', 'The river'],
])('%s --threads reaches the engine', async (...argv) => {
  started.length = 0
  expect(await cli(...argv, '--threads', '3', '--device', 'reference')).toMatchObject({ code: 0 })
  expect(started.map(({ threads }) => threads)).toEqual([3])
})

test('a number of threads that cannot be is a wrong question', async () => {
  for (const command of [
    ['train', 'r.yaml', '--out', 'x'],
    ['eval', base, '--probe', 'a=b'],
    ['verify', base, base],
  ])
    expect(await cli(...command, '--threads', '0')).toMatchObject({ code: 2 })
})
