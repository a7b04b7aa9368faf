import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import { spawnWorker } from '../../src/util/worker.js'

const home = process.cwd()
afterEach(() => process.chdir(home))

test('a worker starts from its TypeScript source, whatever the working directory', async () => {
  process.chdir(tmpdir())
  const worker = spawnWorker(new URL('./workers/echo.js', import.meta.url), { workerData: { n: 7 } })
  const [message] = (await once(worker, 'message')) as [unknown]
  expect(message).toEqual({ workerData: { n: 7 }, message: 'from the worker' })
  await worker.terminate()
})
