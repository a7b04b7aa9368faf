import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { modelDirectoryOf } from '../../../src/lab/session/model-directory.js'
import { runDirectoryOf } from '../../../src/lab/session/run-shelf.js'
import { temporaryDirectory } from '../../support/temporary.js'

describe('a run', () => {
  const cwd = temporaryDirectory('run-names')
  const runsDir = join(cwd, 'runs')
  for (const dir of [join(runsDir, 'expansion'), join(runsDir, 'both'), join(cwd, 'both')]) {
    mkdirSync(join(dir, 'model'), { recursive: true })
    writeFileSync(join(dir, 'run.json'), '{}')
  }

  it.each([
    ['expansion', join(runsDir, 'expansion')],
    ['runs/expansion', join(runsDir, 'expansion')],
    ['both', join(cwd, 'both')],
    ['nothing', join(cwd, 'nothing')],
  ])('is found by its name where there is no such path: %s', async (given, dir) => {
    expect(runDirectoryOf(given, { cwd, folder: runsDir })).toBe(dir)
    const model = await modelDirectoryOf(given, { cwd, runsDir })
    expect(model).toBe(given === 'nothing' ? dir : join(dir, 'model'))
  })
})
