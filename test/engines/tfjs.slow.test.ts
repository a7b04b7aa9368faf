import { createRequire } from 'node:module'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { TfjsEngine } from '../../src/engines/tfjs/engine.js'
import { tfOps } from '../../src/engines/tfjs/kernels.js'
import { shimUtil, startBackend, tfjsCore } from '../../src/engines/tfjs/load.js'
import { createEngine } from '../../src/lab/engines.js'
import { grad } from '../../src/tensor/autograd.js'
import type { Engine } from '../../src/tensor/engine.js'
import '../../src/tensor/fluent.js'
import { input, iota } from '../../src/tensor/leaf.js'
import { add, cast, exp, mul } from '../../src/tensor/ops/elementwise.js'
import { gather, gatherLast, scatterAdd, update } from '../../src/tensor/ops/indexing.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { expand, zeros } from '../../src/tensor/ops/movement.js'
import { sum } from '../../src/tensor/ops/reduce.js'
import { silu } from '../../src/tensor/ops/silu.js'
import { compile, realize } from '../../src/tensor/program.js'
import { Variable } from '../../src/tensor/variable.js'
import { conformance, tensorsOf } from './conformance.js'
import { opCases } from './op-cases.js'

conformance('tfjs:cpu on this thread', () => new TfjsEngine({ backend: 'cpu' }), { afterFailedUpdate: 'unchanged' })
conformance('tfjs:wasm on this thread', () => new TfjsEngine({ backend: 'wasm' }), { afterFailedUpdate: 'unchanged' })

const tf = tfjsCore()

describe('what tfjs-node needs of Node', () => {
  it('is there where Node has dropped it, and left alone where it is', () => {
    const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>
    const names = ['isArray', 'isNullOrUndefined'] as const
    const before = names.map(name => util[name])
    for (const name of names) delete util[name]
    shimUtil()
    const [isArray, isNothing] = names.map(name => util[name] as (value: unknown) => boolean)
    expect([isArray!([]), isArray!('')]).toEqual([true, false])
    expect([null, undefined, 0, ''].map(value => isNothing!(value))).toEqual([true, true, false, false])
    util['isArray'] = Object
    shimUtil()
    expect(util['isArray']).toBe(Object)
    names.forEach((name, i) => {
      util[name] = before[i]
    })
  })
})

describe.each(['cpu', 'wasm'])('the tfjs engine on %s', backend => {
  let engine: TfjsEngine
  let before: { tensors: number; bytes: number }
  beforeEach(async () => {
    await startBackend(tf, backend)
    const { numTensors: tensors, numBytes: bytes } = tf.memory()
    before = { tensors, bytes }
    engine = new TfjsEngine({ backend })
  })
  afterEach(async () => {
    await engine.dispose()
    const { numTensors: tensors, numBytes: bytes } = tf.memory()
    expect({ tensors, bytes }).toEqual(before)
  })

  const weight = (values: number[]) =>
    new Variable([values.length], 'f32', { kind: 'host', data: Float32Array.from(values) }, { engine })

  it('holds no tensor after a run but its variables and constants, whether the run ends, fails or is aborted', async () => {
    const w = weight([1, 2, 3])
    const x = input('ids', [2], 'i32')
    const loss = sum(mul(gather(exp(w.value), x), 2))
    const program = compile({ outputs: { loss, twice: loss }, updates: [[w, add(w.value, grad(loss, [w.value])[0]!)]] })
    await program.run({ ids: Int32Array.of(0, 2) })
    const steady = tf.memory()
    for (let i = 0; i < 3; i++) await program.run({ ids: Int32Array.of(i, 1) })
    await expect(program.run({ ids: Int32Array.of(0, 3) })).rejects.toMatchObject({ code: 'ENGINE' })
    await expect(program.run({ ids: Int32Array.of(0, 1) }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    expect(tf.memory()).toMatchObject({ numTensors: steady.numTensors, numBytes: steady.numBytes })
    w.dispose()
  })

  it('refuses ids outside a table in every op that takes them, and leaves variables as they were', async () => {
    const table = new Variable([5, 3], 'f32', { kind: 'zeros' }, { engine })
    const at = input('at', [2], 'i32')
    const rows = expand(mul(cast(iota(3), 'f32'), 1), [2, 3])
    const cases = {
      gather: [gather(table.value, at), 5],
      scatterAdd: [scatterAdd(at, rows, 5), 5],
      gatherLast: [gatherLast(rows, at), 3],
      update: [update(table.value, rows, at, 0), 5],
    } as const
    for (const [op, [result, size]] of Object.entries(cases)) {
      const changed = add(table.value, sum(result))
      const program = compile({ outputs: { result }, updates: [[table, changed]], engine })
      for (const bad of [-1, size, 2 ** 31 - 1]) {
        await expect(program.run({ at: Int32Array.of(0, bad) })).rejects.toThrow(
          new RegExp(`^${op}: index ${bad} is outside 0..${size - 1}$`),
        )
      }
    }
    expect((await table.read()).every(v => v === 0)).toBe(true)
    table.dispose()
  })

  it('computes on its own backend while other code of the thread uses another one', async () => {
    const other = backend === 'cpu' ? 'wasm' : 'cpu'
    const w = weight([0])
    await w.read()
    await startBackend(tf, other)
    const kernel = vi.spyOn(tf.getKernel('Exp', backend)!, 'kernelFunc')
    const running = realize([exp(exp(exp(w.value)))], { engine })
    expect(tf.getBackend()).toBe(other)
    const [y] = await running
    expect(y![0]).toBeCloseTo(Math.exp(Math.E), 4)
    expect(kernel).toHaveBeenCalledTimes(3)
    expect(tf.getBackend()).toBe(other)
    kernel.mockRestore()
    w.dispose()
  })

  it('lets other work of the thread in between kernels, and stops between two of them when aborted', async () => {
    const slow = new TfjsEngine({ backend, sliceMs: 0 })
    const w = new Variable([4], 'f32', { kind: 'zeros' }, { engine: slow })
    let value = w.value
    for (let i = 0; i < 200; i++) value = add(exp(mul(value, 0.1)), i)
    const program = compile({ outputs: {}, updates: [[w, value]] })
    await program.load()
    const controller = new AbortController()
    let turns = 0
    const count = () => {
      if (++turns === 20) controller.abort()
      else if (turns < 20) setImmediate(count)
    }
    setImmediate(count)
    await expect(program.run({}, { signal: controller.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    expect(turns).toBe(20)
    expect([...(await w.read())]).toEqual([0, 0, 0, 0])
    w.dispose()
    await slow.dispose()
  })

  it('estimates the bytes that a run comes to hold besides variables', async () => {
    const watched = new TfjsEngine({ backend, sliceMs: 0 })
    const w = new Variable([64, 64], 'f32', { kind: 'zeros' }, { engine: watched })
    const x = input('x', [128, 64])
    const hidden = silu(matmul(silu(matmul(x, w.value)), w.value))
    const loss = sum(mul(hidden, hidden))
    const program = compile({ outputs: { loss }, updates: [[w, add(w.value, grad(loss, [w.value])[0]!)]] })
    await program.load()
    const base = tf.memory().numBytes
    let most = 0
    let running = true
    const sample = () => {
      most = Math.max(most, tf.memory().numBytes - base)
      if (running) setImmediate(sample)
    }
    setImmediate(sample)
    await program.run({ x: new Float32Array(128 * 64) })
    running = false
    const { intermediate } = watched.workingBytes([program.lowered.spec])
    expect(most).toBeLessThanOrEqual(intermediate)
    expect(most).toBeGreaterThan(0.7 * intermediate)
    w.dispose()
    await watched.dispose()
  })

  it('every op calls only kernels that it declares', async () => {
    const undeclared: string[] = []
    for (const c of opCases) {
      const outputs = Object.fromEntries(tensorsOf(c).map((t, i) => [String(i), t]))
      const program = compile({ outputs, engine })
      const declared = new Set(program.lowered.spec.nodes.flatMap(({ op }) => tfOps[op]!.kernels))
      const { kernelNames } = await tf.profile(async () => {
        await program.run()
        return []
      })
      undeclared.push(
        ...kernelNames.filter(name => !declared.has(name) && name !== 'Identity').map(name => `${c.name}: ${name}`),
      )
    }
    expect(undeclared).toEqual([])
  })
})

describe('a backend of the user', () => {
  it('is taken by name, and what it lacks is refused by name before anything runs', async () => {
    await startBackend(tf, 'cpu')
    const cpu = tf.findBackend('cpu')
    tf.registerBackend('poor', () => cpu)
    tf.copyRegisteredKernels('cpu', 'poor')
    for (const kernel of ['Exp', 'BatchMatMul']) tf.unregisterKernel(kernel, 'poor')
    const engine = new TfjsEngine({ tf, backend: 'poor' })
    expect(engine.device).toBe('poor')
    const x = input('x', [2, 2])
    const needs = compile({ outputs: { y: exp(matmul(x, x)) }, engine })
    await expect(needs.run({ x: new Float32Array(4) })).rejects.toThrow(
      /the backend "poor" lacks kernels for matmul \(BatchMatMul\), exp \(Exp\)/,
    )
    const [total] = await realize([sum(add(zeros([2]), 3))], { engine })
    expect(total![0]).toBe(6)
    await engine.dispose()
  })

  it('is refused when nobody has registered it', async () => {
    const engine: Engine = new TfjsEngine({ backend: 'webgpux' })
    await expect(realize([zeros([1])], { engine })).rejects.toThrow(/tfjs has no backend "webgpux"; registered are/)
  })
})

describe('the wasm backend', () => {
  it('that is full, or asked for a tensor beyond 2 GiB, gives an error with sizes and goes on', async () => {
    const engine = new TfjsEngine({ backend: 'wasm' })
    await engine.ready()
    await startBackend(tf, 'wasm')
    const sumOf = (length: number) => realize([sum(expand(iota(1).cast('f32'), [length]))], { engine })
    await expect(sumOf(1 << 29)).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(/no room for 2147483648 bytes beside the \d+ in use/),
    })
    const { wasm } = tf.backend() as unknown as { wasm: { _malloc(n: number): number; _free(at: number): void } }
    const taken: number[] = []
    // nothing is written, so this takes addresses and no memory
    expect(() => {
      for (;;) taken.push(wasm._malloc(1 << 28))
    }).toThrow(/no room for 268435456 bytes/)
    await expect(sumOf(1 << 26)).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' })
    for (const address of taken) wasm._free(address)
    expect((await sumOf(1 << 10))[0]![0]).toBe(0)
    await engine.dispose()
  })
})

describe('devices', () => {
  it('without the optional package say at once what to install and what it needs', () => {
    vi.stubEnv('LLAMA_PRO_TFJS_NODE', '/nowhere')
    for (const device of ['tfjs-gpu', 'tfjs:node']) {
      expect(() => createEngine(device)).toThrow(
        /@tensorflow\/tfjs-node-gpu is not installed in \/nowhere; install it with: npm install @tensorflow\/tfjs-node-gpu@4\.22\.0 .*CUDA 11\.2, cuDNN 8\.1/,
      )
    }
    vi.unstubAllEnvs()
  })
})
