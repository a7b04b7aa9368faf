import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { tokensOf } from '../../repl/cli/live-tokens.js'
import { runCli } from '../../repl/cli/program.js'
import { temporaryDirectory } from '../support/temporary.js'
import { Capture, cli } from './harness.js'
import { writeTinyMetrics } from './tiny-run.js'

const dir = temporaryDirectory('serve')

test('serves the address that it prints until it is interrupted, and ends well', async () => {
  writeTinyMetrics(join(dir, 'runs', 'a'))
  const interrupt = new AbortController()
  const [stdout, stderr] = [new Capture(), new Capture()]
  const running = runCli(['serve', join(dir, 'runs')], { stdout, stderr, env: {}, signal: interrupt.signal })
  await expect.poll(() => stdout.text).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{43}\n$/)
  const url = stdout.text.trim()
  expect(await (await fetch(url)).text()).toContain('Llama Pro Lab')
  expect(await (await fetch(url.replace('/?', '/runs?'))).json()).toMatchObject([{ name: 'a', step: 4 }])
  interrupt.abort()
  expect(await running).toBe(0)
  await expect(fetch(url)).rejects.toThrow()
})

test('refuses a file for a directory', async () => {
  const { code, stderr } = await cli('serve', join(dir, 'runs', 'a', 'metrics.jsonl'))
  expect(code).not.toBe(0)
  expect(stderr).toContain('found the file')
})

test('the tokens of a fixed port stay, for their owner alone; those of a free one do not', () => {
  const env = { XDG_CACHE_HOME: join(dir, 'cache') }
  expect(tokensOf(8123, env)).toEqual(tokensOf(8123, env))
  expect(tokensOf(8124, env)).not.toEqual(tokensOf(8123, env))
  expect(tokensOf(0, env)).not.toEqual(tokensOf(0, env))
  const path = join(dir, 'cache', 'llama-pro-lab', 'live', '8123.json')
  expect(statSync(path).mode & 0o077).toBe(0)
})
