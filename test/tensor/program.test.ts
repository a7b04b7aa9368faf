import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { WorkerEngine } from '../../src/engines/worker-engine.js'
import type { Engine } from '../../src/tensor/engine.js'
import { fromHost, input } from '../../src/tensor/leaf.js'
import { add } from '../../src/tensor/ops/elementwise.js'
import { compile, realize } from '../../src/tensor/program.js'
import { Variable } from '../../src/tensor/variable.js'
import { temporaryDirectory } from '../support/temporary.js'

const engine = new ReferenceEngine()
const dir = temporaryDirectory('program')

describe('variables of another engine', () => {
  const other = new ReferenceEngine()
  const on = (place: Engine, value: number) =>
    new Variable([1], 'f32', { kind: 'host', data: Float32Array.of(value) }, { engine: place, name: `of${value}` })
  const refusal = (name: string) => expect.objectContaining({ code: 'ENGINE', message: expect.stringContaining(name) })

  it('are refused, whose numbers would be those of other variables', async () => {
    const [here, there] = [on(engine, 1), on(other, 2)]
    await expect(realize([there.value], { engine })).rejects.toThrow(refusal('of2'))
    const updates = [[here, add(here.value, there.value)] as const]
    expect(() => compile({ outputs: {}, updates })).toThrow(refusal('of2'))
    expect(await realize([there.value])).toEqual([Float32Array.of(2)])
  })
})

describe('arrays of another element type', () => {
  it('are refused as inputs, whose bits would be read as other numbers', async () => {
    const whole = compile({ outputs: { y: add(input('a', [2], 'i32'), 1) }, engine })
    await expect(whole.run({ a: Float32Array.of(1, 2) })).rejects.toThrow(
      'input "a": expected i32 [2] as a Int32Array, got a Float32Array',
    )
    const real = compile({ outputs: { y: add(input('a', [2]), 1) }, engine })
    await expect(real.run({ a: Int32Array.of(1, 2) })).rejects.toMatchObject({ code: 'INPUT' })
    expect(await real.run({ a: Float32Array.of(1, 2) })).toEqual({ y: Float32Array.of(2, 3) })
  })

  it('and numbers that it cannot hold are refused too', async () => {
    const next = compile({ outputs: { y: add(input('a', [], 'i32'), 1) }, engine })
    expect(await next.run({ a: 2 })).toEqual({ y: Int32Array.of(3) })
    for (const a of [1.5, 2 ** 31, Number.NaN])
      await expect(next.run({ a })).rejects.toMatchObject({ code: 'DTYPE', message: expect.stringContaining(`"a"`) })
  })

  it('are refused as data and as values of a variable', () => {
    expect(() => fromHost(Int32Array.of(1), [1], 'f32')).toThrow(/expected a Float32Array for f32, got a Int32Array/)
    expect(fromHost(Uint16Array.of(1), [1], 'bf16').dtype).toBe('bf16')
    const variable = new Variable([1], 'f32', { kind: 'zeros' }, { engine })
    expect(() => variable.write(Int32Array.of(1))).toThrow(/a Float32Array, got a Int32Array/)
    expect(() => new Variable([1], 'i32', { kind: 'host', data: Float32Array.of(1) }, { engine })).toThrow(/Int32Array/)
  })
})

describe('an input', () => {
  it('may have any name, that of a constant of the program too', async () => {
    const y = add(fromHost(Float32Array.of(1), [1], 'f32'), input('data.0', [1]))
    const program = compile({ outputs: { y }, engine })
    expect(await program.run({ 'data.0': Float32Array.of(10) })).toEqual({ y: Float32Array.of(11) })
    const constant = compile({ outputs: { y: fromHost(Float32Array.of(1), [1], 'f32') }, engine })
    await expect(constant.run({ 'data.0': Float32Array.of(2) })).rejects.toThrow(/no input "data.0"/)
  })
})

describe('a program that could not be loaded', () => {
  it('is loaded again at the next run', async () => {
    let failures = 1
    const flaky: Engine = Object.create(engine, {
      nativeOps: { value: engine.nativeOps },
      load: {
        value: async (...args: Parameters<Engine['load']>) => {
          if (failures-- > 0) throw new Error('no memory')
          return engine.load(...args)
        },
      },
      run: { value: engine.run.bind(engine) },
    })
    const program = compile({ outputs: { y: add(input('a', []), 1) }, engine: flaky })
    await expect(program.run({ a: 1 })).rejects.toThrow('no memory')
    expect(await program.run({ a: 1 })).toEqual({ y: Float32Array.of(2) })
  })

  it('is asked for again of an engine on a thread', async () => {
    const worker = join(dir, 'flaky.mjs')
    writeFileSync(
      worker,
      `import { parentPort } from 'node:worker_threads'
let failures = 1
parentPort.on('message', ({ kind, call }) => {
  if (kind === 'load' && failures-- > 0) parentPort.postMessage({ kind: 'failure', call, code: 'OUT_OF_MEMORY', message: 'full' })
  else parentPort.postMessage({ kind: 'answer', call, value: kind === 'load' ? 7 : null })
})`,
    )
    const hosted = new WorkerEngine({
      name: 'flaky',
      device: 'cpu',
      nativeOps: new Set(),
      module: pathToFileURL(worker),
      workerData: null,
      workingBytes: specs => engine.workingBytes(specs),
    })
    const { spec, key } = compile({ outputs: { y: add(input('a', []), 1) }, engine }).lowered
    await expect(hosted.load(spec, key)).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
    expect(await hosted.load(spec, key)).toBe(7)
    await hosted.dispose()
  })
})
