import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { builtKernelSpec } from './built-kernel.js'

/** A Python that has the package jupyter_kernel_test: `LLAMA_PRO_TEST_PYTHON`, or `python3`. */
const named = process.env['LLAMA_PRO_TEST_PYTHON']
const python = named ?? 'python3'
// where a Python is named, a package that it lacks is a failure
const isAvailable = named !== undefined || spawnSync(python, ['-c', 'import jupyter_kernel_test']).status === 0
const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url))

describe.skipIf(!isAvailable)('jupyter_kernel_test', () => {
  test('all of its tests pass, none is skipped', () => {
    const dir = temporaryDirectory('conformance')
    const directory = join(dir, 'kernels', 'llama-pro-test')
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, 'kernel.json'), JSON.stringify(builtKernelSpec()))
    const { stderr, status } = spawnSync(python, [pathOf('conformance.py'), 'llama-pro-test'], {
      cwd: dir,
      env: { ...process.env, JUPYTER_PATH: dir, LLAMA_PRO_HISTORY: join(dir, 'history.jsonl') },
      encoding: 'utf8',
      timeout: 200_000,
    })
    expect(stderr).toContain('Ran 13 tests')
    expect(stderr.trimEnd().split('\n').at(-1)).toBe('OK')
    expect(status).toBe(0)
  })
})
