/** tfjs in threads and processes of its own. */
import { execFileSync } from 'node:child_process'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { describe, expect, it } from 'vitest'
import { tfjsEngine } from '../../src/engines/tfjs/start.js'
import { createEngine } from '../../src/lab/engines.js'
import { add } from '../../src/tensor/ops/elementwise.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { sum } from '../../src/tensor/ops/reduce.js'
import { compile, realize } from '../../src/tensor/program.js'
import { Variable } from '../../src/tensor/variable.js'
import { repositoryRoot } from '../support/shared.js'
import { conformance } from './conformance.js'

conformance('tfjs in a worker', () => tfjsEngine('tfjs'), { afterFailedUpdate: 'unchanged' })

describe('the worker', () => {
  it('ends a run between two kernels when it is aborted, and goes on with the next', async () => {
    const engine = createEngine('tfjs:cpu')
    const w = new Variable([64, 64], 'f32', { kind: 'zeros' }, { engine })
    let value = w.value
    for (let i = 0; i < 400; i++) value = add(matmul(value, w.value), 1)
    const program = compile({ outputs: {}, updates: [[w, value]] })
    await program.load()
    const controller = new AbortController()
    const run = program.run({}, { signal: controller.signal })
    setTimeout(() => controller.abort(), 20)
    await expect(run).rejects.toMatchObject({ code: 'ABORTED' })
    expect((await w.read()).every(v => v === 0)).toBe(true)
    const [total] = await realize([sum(add(w.value, 1))])
    expect(total![0]).toBe(64 * 64)
    await engine.dispose()
  })

  it('a variable whose file is not there fails for those who use it, and for nobody else', async () => {
    const engine = createEngine('tfjs:wasm')
    const missing = {
      kind: 'file',
      path: '/nowhere/model.safetensors',
      byteOffset: 0,
      byteLength: 8,
      dtype: 'bf16',
    } as const
    const w = new Variable([4], 'f32', missing, { engine })
    await expect(w.read()).rejects.toThrow(/nowhere/)
    const program = compile({ outputs: { y: sum(w.value) }, engine })
    await expect(program.run()).rejects.toThrow(/nowhere/)
    const other = new Variable([2], 'f32', { kind: 'zeros' }, { engine })
    expect(await other.read()).toEqual(new Float32Array(2))
    await engine.dispose()
  })

  it('says which backend was taken', async () => {
    const engine = createEngine('tfjs')
    await engine.memory()
    expect([engine.device, engine.description]).toEqual(['wasm', 'tfjs 4.22.0 on wasm, f32'])
    await engine.dispose()
    await expect(engine.memory()).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
  })

  it('leaves the event loop alone while kernels of a third of a second run', async () => {
    const engine = createEngine('tfjs:wasm')
    const a = new Variable([512, 512], 'f32', { kind: 'zeros' }, { engine })
    const b = new Variable([512, 8192], 'f32', { kind: 'zeros' }, { engine })
    const program = compile({ outputs: { y: sum(matmul(a.value, b.value)) }, engine })
    await program.load()
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const start = performance.now()
    await program.run()
    const ms = performance.now() - start
    delay.disable()
    console.log(`run ${ms.toFixed(0)} ms, event loop delay p99 ${(delay.percentile(99) / 1e6).toFixed(1)} ms`)
    expect(ms).toBeGreaterThan(100)
    expect(delay.percentile(99) / 1e6).toBeLessThan(50)
    await engine.dispose()
  })
})

describe('the library', () => {
  it('starts without loading tfjs', () => {
    const program = `
      import './src/index.ts'
      import { createRequire } from 'node:module'
      const loaded = Object.keys(createRequire(import.meta.url).cache).filter(path => path.includes('@tensorflow'))
      process.stdout.write(JSON.stringify(loaded))
    `
    const node = ['--import', 'tsx', '--input-type=module', '--eval', program]
    expect(execFileSync(process.execPath, node, { encoding: 'utf8', cwd: repositoryRoot })).toBe('[]')
  })
})

describe('loadTf', () => {
  it('leaves errors that nobody catches to those who listened before', () => {
    const program = `
      import { loadTf } from './src/engines/tfjs/interop.ts'
      const count = () => [process.listenerCount('uncaughtException'), process.listenerCount('unhandledRejection')].join()
      const before = count()
      void loadTf().then(tf => process.stdout.write(JSON.stringify([tf.getBackend(), before, count()])))
    `
    const node = ['--import', 'tsx', '--input-type=module', '--eval', program]
    const [backend, before, after] = JSON.parse(
      execFileSync(process.execPath, node, { encoding: 'utf8', cwd: repositoryRoot }),
    ) as string[]
    expect(backend).toBe('wasm')
    expect(after).toBe(before)
  })
})
