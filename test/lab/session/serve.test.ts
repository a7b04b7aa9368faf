import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Lab } from '../../../src/lab/session/lab.js'
import { temporaryDirectory } from '../../support/temporary.js'

const dir = temporaryDirectory('serve')

it('a page that could not be served can be asked for again, and keeps nobody from ending the session', async () => {
  const runs = join(dir, 'runs')
  writeFileSync(runs, '')
  const lab = new Lab({ cwd: dir })
  const [asked, ended] = [lab.serve(), lab.dispose()]
  await expect(asked).rejects.toMatchObject({ code: 'RUNS_DIRECTORY' })
  await ended
  await expect(lab.serve()).rejects.toMatchObject({ code: 'RUNS_DIRECTORY' })
  rmSync(runs)
  const { url } = await lab.serve()
  expect((await fetch(url)).status).toBe(200)
  await lab.dispose()
  await expect(fetch(url)).rejects.toThrow()
})
