import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import { forkModule, spawnWorker } from '../../src/util/worker.js'

const home = process.cwd()
afterEach(() => process.chdir(home))

test('a worker starts from its TypeScript source, whatever the working directory', async () => {
  process.chdir(tmpdir())
  const worker = spawnWorker(new URL('./workers/echo.js', import.meta.url), { workerData: { n: 7 } })
  const [message] = (await once(worker, 'message')) as [unknown]
  expect(message).toEqual({ workerData: { n: 7 }, message: 'from the worker' })
  await worker.terminate()
})

test('a process starts from its TypeScript source, whatever the working directory, and talks', async () => {
  process.chdir(tmpdir())
  const child = forkModule(new URL('./workers/echo-process.js', import.meta.url), ['a', 'b c'], { env: { SAID: 'x' } })
  expect((await once(child, 'message'))[0]).toEqual({ args: ['a', 'b c'], said: 'x' })
  child.disconnect()
  expect(await once(child, 'exit')).toEqual([0, null])
})
