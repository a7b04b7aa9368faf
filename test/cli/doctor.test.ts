import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { cliJson } from './harness.js'

interface Report {
  checks: { name: string; works: boolean; required: boolean; detail: string; advice: string | null }[]
}

// one process computes with one number of threads: the doctor, told of another, finds no cpu engine
const other = new OnnxEngine({ threads: 1 })
beforeAll(() => {
  vi.stubEnv('LLAMA_PRO_THREADS', '2')
  // optional engines are not asked for here, and PyTorch alone takes seconds to start
  vi.stubEnv('LLAMA_PRO_PYTHON', '/nowhere/python')
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await other.dispose()
})

test('a required part that fails is named with what to do, and the exit code is 1', async () => {
  const before = { ...process.env }
  const { code, value } = await cliJson<Report>('doctor')
  const failed = value.checks.filter(({ works, required }) => required && !works)
  expect(failed).toEqual([
    expect.objectContaining({
      name: 'engine cpu',
      detail: expect.stringContaining('already computes with 1 threads'),
      advice: expect.stringContaining('npm ci'),
    }),
  ])
  expect(code).toBe(1)

  // each device of webgpu is tried, whichever were tried before it, and this process may still choose
  const details = value.checks.filter(({ name }) => name.startsWith('engine webgpu')).map(({ detail }) => detail)
  expect(details.filter(detail => detail.includes('already'))).toEqual([])
  expect(details).toHaveLength(3)
  expect(process.env).toEqual(before)
}, 60_000)
