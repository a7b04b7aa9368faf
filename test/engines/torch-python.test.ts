import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { TorchEngine } from '../../src/engines/torch/engine.js'
import { findPython } from '../../src/engines/torch/python.js'
import { temporaryDirectory } from '../support/temporary.js'

describe('which Python', () => {
  it('is the one named, else that of the active environment, else the one of the PATH', () => {
    expect(findPython({ LLAMA_PRO_PYTHON: '/a/python', VIRTUAL_ENV: '/b' }, 'linux')).toBe('/a/python')
    expect(findPython({ VIRTUAL_ENV: '/b', CONDA_PREFIX: '/c' }, 'linux')).toBe(join('/b', 'bin/python'))
    expect(findPython({ CONDA_PREFIX: '/c' }, 'linux')).toBe(join('/c', 'bin/python'))
    expect(findPython({}, 'linux')).toBe('python3')
    expect(findPython({}, 'win32')).toBe('python')
  })

  it('is missing: the error says how to get it', async () => {
    const engine = new TorchEngine({ python: '/nonexistent/python' })
    await expect(engine.memory()).rejects.toMatchObject({
      code: 'PYTHON_MISSING',
      message: expect.stringMatching(/\/nonexistent\/python.*pip install "torch>=2\.4".*LLAMA_PRO_PYTHON/s),
    })
    await engine.dispose()
  })

  it('is something else: the error shows what it said', async () => {
    const path = join(temporaryDirectory('torch'), 'python')
    writeFileSync(path, '#!/bin/sh\necho "no license for today" >&2\nexit 3\n', { mode: 0o755 })
    const engine = new TorchEngine({ python: path })
    await expect(engine.memory()).rejects.toMatchObject({
      code: 'ENGINE',
      message: expect.stringMatching(/exit code 3.*no license for today/s),
    })
    await engine.dispose()
  })
})
