/** The suite that every engine passes: each op against the float64 reference, updates, inputs, errors, lifetime. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import '../../src/tensor/fluent.js'
import { grad } from '../../src/tensor/autograd.js'
import type { Engine } from '../../src/tensor/engine.js'
import type { Tensor } from '../../src/tensor/graph.js'
import { fromHost, input, iota } from '../../src/tensor/leaf.js'
import { IDLE_PROGRAMS } from '../../src/tensor/loaded-programs.js'
import { adamw } from '../../src/tensor/ops/adamw.js'
import { linearCrossEntropy } from '../../src/tensor/ops/cross-entropy.js'
import { add, cast, mul } from '../../src/tensor/ops/elementwise.js'
import { gather, gatherLast, scatterAdd, update } from '../../src/tensor/ops/indexing.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { reshape } from '../../src/tensor/ops/movement.js'
import { sum } from '../../src/tensor/ops/reduce.js'
import { compile, realize } from '../../src/tensor/program.js'
import { sizeOf } from '../../src/tensor/shape.js'
import { Variable } from '../../src/tensor/variable.js'
import type { LabError } from '../../src/util/errors.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { temporaryDirectory } from '../support/temporary.js'
import { type OpCase, opCases } from './op-cases.js'

/** The f32 operands of a case; the same for every engine. */
export function operandsOf(c: OpCase): Tensor[] {
  const random = new Prng(keyOf(c.name))
  return c.shapes.map(shape => {
    const values = Float32Array.from({ length: sizeOf(shape) }, () => (c.domain ?? (x => x))(random.normal()))
    return fromHost(values, shape, 'f32')
  })
}

export function outputsOf(c: OpCase, operands: readonly Tensor[]): readonly Tensor[] {
  const built = c.build(...operands)
  return Array.isArray(built) ? built : [built as Tensor]
}

/** A scalar that weights every output element differently, so that no gradient cancels. */
export function weightedSum(outputs: readonly Tensor[]): Tensor {
  const terms = outputs.map((t, i) => {
    const weights = Float32Array.from({ length: sizeOf(t.shape) }, (_, n) => Math.cos(1 + n + 3 * i))
    return sum(mul(cast(t, 'f32'), fromHost(weights, t.shape, 'f32')))
  })
  return terms.reduce((a, b) => add(a, b))
}

/** What a case computes: its outputs, then the gradients of their {@link weightedSum} by the operands that are checked. */
export function tensorsOf(c: OpCase): readonly Tensor[] {
  const operands = operandsOf(c)
  const outputs = outputsOf(c, operands)
  const wrt = (c.wrt ?? operands.map((_, i) => i)).map(i => operands[i]!)
  return [...outputs, ...(wrt.length > 0 ? grad(weightedSum(outputs), wrt) : [])]
}

/** Absolute up to 1, relative above; infinite where one is not a number and the other is. */
export function maxDifference(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  let worst = ours.length === theirs.length ? 0 : Number.POSITIVE_INFINITY
  for (let i = 0; i < ours.length; i++) {
    if (Object.is(ours[i], theirs[i])) continue
    const difference = Math.abs(ours[i]! - theirs[i]!)
    worst = Math.max(
      worst,
      Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference / Math.max(1, Math.abs(theirs[i]!)),
    )
  }
  return worst
}

export interface ConformanceOptions {
  /** Largest difference from the reference, relative above 1 (default 2e-5). */
  readonly tolerance?: number
  /**
   * What a run that was to update variables does when it fails: it leaves them as they were, or it ends the engine, because
   * it may have overwritten some (default).
   */
  readonly afterFailedUpdate?: 'unchanged' | 'ended'
}

export function conformance(
  name: string,
  start: () => Engine,
  { tolerance = 2e-5, afterFailedUpdate = 'ended' }: ConformanceOptions = {},
): void {
  describe(`engine ${name} conforms`, () => {
    let engine: Engine
    const reference = new ReferenceEngine()
    // the first answer: some engines are processes that take seconds to start
    beforeAll(async () => {
      engine = start()
      await engine.memory()
    }, 120_000)
    afterAll(() => engine.dispose())

    for (const c of opCases) {
      it(`${c.name}: values and gradients equal the reference's`, async () => {
        const all = tensorsOf(c)
        const ours = await realize(all, { engine })
        const theirs = await realize(all, { engine: reference })
        expect(Math.max(...ours.map((values, i) => maxDifference(values, theirs[i]!)))).toBeLessThan(tolerance)
      })
    }

    it('keeps variables on the device, and updates take effect together at the end of a run', async () => {
      const a = new Variable([2], 'f32', { kind: 'host', data: Float32Array.of(1, 2) }, { engine })
      const b = new Variable([2], 'f32', { kind: 'host', data: Float32Array.of(10, 20) }, { engine })
      const swapAndSum = compile({
        outputs: { total: sum(add(a.value, b.value)) },
        updates: [
          [a, b.value],
          [b, add(a.value, b.value)],
        ],
      })
      expect((await swapAndSum.run()).total[0]).toBe(33)
      expect([...(await a.read()), ...(await b.read())]).toEqual([10, 20, 11, 22])
      await swapAndSum.run()
      expect([...(await a.read()), ...(await b.read())]).toEqual([11, 22, 21, 42])
      a.dispose()
      b.dispose()
    })

    it('never lets a reader see a variable that an update has already overwritten', async () => {
      const w = new Variable([32, 32], 'f32', { kind: 'host', data: new Float32Array(1024).fill(0.5) }, { engine })
      const x = fromHost(new Float32Array(1024).fill(1), [32, 32], 'f32')
      const late = sum(matmul(matmul(matmul(x, x), x), w.value))
      const program = compile({ outputs: { late }, updates: [[w, mul(w.value, 0)]] })
      expect((await program.run()).late[0]).toBe(32 ** 5 * 0.5)
      expect((await w.read()).every(v => v === 0)).toBe(true)
      w.dispose()
    })

    it('counts a reader of a reshaped variable as its reader: the new value may not overwrite what it is made from', async () => {
      const [M, N] = [120, 180]
      const data = Float32Array.from({ length: M * N }, (_, i) => i)
      const w = new Variable([M, N], 'f32', { kind: 'host', data }, { engine })
      const identity = Float32Array.from({ length: N * N }, (_, i) => Number(i % N === Math.floor(i / N)))
      const transposed = matmul(reshape(w.value, [N, M]), fromHost(identity, [N, N], 'f32'), { transA: true })
      await compile({ outputs: {}, updates: [[w, transposed]] }).run()
      const expected = Float32Array.from({ length: M * N }, (_, i) => (i % N) * M + Math.floor(i / N))
      expect(maxDifference(await w.read(), expected)).toBe(0)
      w.dispose()
    })

    it('hands out a reshaped variable with its old elements, whatever the update beside it writes', async () => {
      const data = Float32Array.from({ length: 6 }, (_, i) => i)
      const v = new Variable([2, 3], 'f32', { kind: 'host', data }, { engine })
      const program = compile({ outputs: { old: reshape(v.value, [6]) }, updates: [[v, add(v.value, 10)]] })
      expect([...(await program.run()).old]).toEqual([0, 1, 2, 3, 4, 5])
      expect([...(await v.read())]).toEqual([10, 11, 12, 13, 14, 15])
      v.dispose()
    })

    it('swaps variables through views of each other', async () => {
      const a = new Variable([2, 1], 'f32', { kind: 'host', data: Float32Array.of(1, 2) }, { engine })
      const b = new Variable([1, 2], 'f32', { kind: 'host', data: Float32Array.of(3, 4) }, { engine })
      const swap = compile({
        outputs: {},
        updates: [
          [a, reshape(b.value, [2, 1])],
          [b, reshape(a.value, [1, 2])],
        ],
      })
      await swap.run()
      expect([...(await a.read()), ...(await b.read())]).toEqual([3, 4, 1, 2])
      a.dispose()
      b.dispose()
    })

    it('lets optimizer steps read each other as they were before', async () => {
      const pair = (value: number) =>
        new Variable([2], 'f32', { kind: 'host', data: new Float32Array(2).fill(value) }, { engine })
      const [a, b, ma, mb, va, vb] = [pair(1), pair(2), pair(0), pair(0), pair(0), pair(0)]
      const one = input('one', [])
      const step = (parameter: Variable, m: Variable, v: Variable, gradient: Variable) => {
        const operands = { parameter: parameter.value, m: m.value, v: v.value, gradient: gradient.value }
        const options = { beta1: 0.5, beta2: 0.5, eps: 1e-8, weightDecay: 0 }
        const [p1, m1, v1] = adamw({ ...operands, lr: one, correction1: one, correction2: one }, options)
        return [[parameter, p1] as const, [m, m1] as const, [v, v1] as const]
      }
      const updates = [...step(a, ma, va, b), ...step(b, mb, vb, a)]
      await compile({ outputs: {}, updates }).run({ one: 1 })
      expect([...(await ma.read()), ...(await mb.read())]).toEqual([1, 1, 0.5, 0.5])
      for (const variable of [a, b, ma, mb, va, vb]) variable.dispose()
    })

    it('reads a 16-bit variable as it was before the update beside it', async () => {
      const w = new Variable([4], 'bf16', { kind: 'host', data: new Uint16Array(4).fill(0x3f80) }, { engine })
      const wide = cast(w.value, 'f32')
      const g = input('g', [4])
      const program = compile({ outputs: { old: sum(mul(wide, g)) }, updates: [[w, cast(add(wide, g), 'bf16')]] })
      expect((await program.run({ g: new Float32Array(4).fill(2) })).old[0]).toBe(8)
      expect([...(await w.read())]).toEqual([0x4040, 0x4040, 0x4040, 0x4040])
      w.dispose()
    })

    it('copies what it is given, a Buffer too', async () => {
      const bytes = Buffer.from([1, 2, 3])
      const v = new Variable([3], 'u8', { kind: 'host', data: bytes }, { engine })
      bytes.fill(9)
      expect([...(await v.read())]).toEqual([1, 2, 3])
      bytes.fill(4)
      v.write(bytes)
      expect([...bytes]).toEqual([4, 4, 4])
      bytes.fill(7)
      expect([...(await v.read())]).toEqual([4, 4, 4])
      v.dispose()
    })

    it('writes rows of a cache in place', async () => {
      const cache = new Variable([4, 2], 'f32', { kind: 'zeros' }, { engine })
      const at = input('at', [1], 'i32')
      const next = update(cache.value, reshape(cast(add(iota(2), 1), 'f32'), [1, 2]), at, 0)
      const program = compile({ outputs: { total: sum(next) }, updates: [[cache, next]] })
      expect((await program.run({ at: 2 })).total[0]).toBe(3)
      expect((await program.run({ at: 0 })).total[0]).toBe(6)
      expect([...(await cache.read())]).toEqual([1, 2, 0, 0, 1, 2, 0, 0])
      cache.dispose()
    })

    it('stores f16 and bf16 as they are and casts them in the graph', async () => {
      const half = new Variable([3], 'f16', { kind: 'host', data: Uint16Array.of(0x3c00, 0xc100, 0x0001) }, { engine })
      const brain = new Variable([2], 'bf16', { kind: 'host', data: Uint16Array.of(0x3f80, 0xc020) }, { engine })
      const [h, b] = await realize([mul(cast(half.value, 'f32'), 2), mul(cast(brain.value, 'f32'), 2)])
      expect([...h!, ...b!]).toEqual([2, -5, 2 ** -23, 2, -5])
      expect([...(await half.read())]).toEqual([0x3c00, 0xc100, 0x0001])
      half.dispose()
      brain.dispose()
    })

    it('compiles equal programs once and binds their variables at run time', async () => {
      const make = (value: number) =>
        new Variable([1], 'f32', { kind: 'host', data: Float32Array.of(value) }, { engine })
      const [p, q] = [make(3), make(5)]
      const before = await engine.memory()
      const results = await Promise.all([p, q].map(v => compile({ outputs: { y: mul(v.value, 7) } }).run()))
      expect(results.map(r => r.y[0])).toEqual([21, 35])
      expect((await engine.memory()).programs - before.programs).toBe(1)
      p.dispose()
      q.dispose()
    })

    it('frees a program that is unloaded, and compiles it anew when it is asked for again', async () => {
      const { spec, key } = compile({ outputs: { y: mul(input('x', [1]), 11) }, engine }).lowered
      const run = async () => engine.run(await engine.load(spec, key), [Float32Array.of(2)], [])
      const before = (await engine.memory()).programs
      const program = await engine.load(spec, key)
      expect(await engine.load(spec, key)).toBe(program)
      expect((await engine.memory()).programs - before).toBe(1)
      const last = run()
      engine.unload(await engine.load(spec, key))
      expect((await last)[0]![0]).toBe(22)
      expect((await engine.memory()).programs).toBe(before)
      expect((await run())[0]![0]).toBe(22)
    })

    it('keeps a bounded number of programs, however many expressions a session evaluates', async () => {
      const before = (await engine.memory()).programs
      const x = fromHost(Float32Array.of(2), [1], 'f32')
      for (let i = 0; i < 500; i++) expect((await realize([mul(x, i)], { engine }))[0]![0]).toBe(2 * i)
      expect((await engine.memory()).programs - before).toBeLessThanOrEqual(IDLE_PROGRAMS)
    })

    it('returns to its baseline of device memory when variables are disposed', async () => {
      const before = await engine.memory()
      const many = Array.from({ length: 5 }, () => new Variable([1000], 'f32', { kind: 'zeros' }, { engine }))
      expect((await engine.memory()).variableBytes - before.variableBytes).toBeGreaterThanOrEqual(20_000)
      for (const v of many) v.dispose()
      expect((await engine.memory()).variableBytes).toBe(before.variableBytes)
      await expect(many[0]!.read()).rejects.toMatchObject({ code: 'DISPOSED' })
    })

    it('refuses missing, unknown and misshapen inputs by name', async () => {
      const program = compile({ outputs: { y: mul(input('learningRate', [2]), 2) }, engine })
      await expect(program.run()).rejects.toThrow(/needs input "learningRate" \(f32 \[2\]\)/)
      await expect(program.run({ learningRate: new Float32Array(3) })).rejects.toThrow(/got 3 elements/)
      await expect(program.run({ learningRate: new Float32Array(2), learningrate: 1 })).rejects.toThrow(
        /Did you mean "learningRate"/,
      )
    })

    it('does not start an aborted run', async () => {
      const program = compile({ outputs: { y: sum(input('x', [2])) }, engine })
      await expect(program.run({ x: new Float32Array(2) }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: 'ABORTED',
      })
    })

    it('tells who uses a variable that there is no memory for, and goes on', async () => {
      const other = new Variable([2], 'f32', { kind: 'host', data: Float32Array.of(1, 2) }, { engine })
      const use = async (work: (variable: Variable) => Promise<unknown>) => {
        const huge = new Variable([2e6, 2e6], 'f32', { kind: 'zeros' }, { engine })
        await work(huge).finally(() => huge.dispose())
      }
      const failure = { code: 'OUT_OF_MEMORY', message: expect.stringMatching(/16\.0 TB|16000000000000 bytes/) }
      await expect(use(huge => huge.read())).rejects.toMatchObject(failure)
      await expect(use(huge => realize([huge.value.mul(huge.value)]))).rejects.toMatchObject(failure)
      expect([...(await other.read())]).toEqual([1, 2])
      other.dispose()
    })

    it('tells who uses a variable whose file is too short or not there, and goes on', async () => {
      const path = join(temporaryDirectory('conformance'), 'weights')
      writeFileSync(path, new Uint8Array(6))
      const other = new Variable([2], 'f32', { kind: 'host', data: Float32Array.of(1, 2) }, { engine })
      const file = { kind: 'file', path, byteOffset: 2, byteLength: 8, dtype: 'f32' } as const
      const read = async (init: typeof file) => {
        const variable = new Variable([2], 'f32', init, { engine })
        await variable.read().finally(() => variable.dispose())
      }
      await expect(read(file)).rejects.toMatchObject({ code: 'TRUNCATED', message: expect.stringContaining(path) })
      await expect(read({ ...file, path: '/nowhere' })).rejects.toThrow(/nowhere/)
      expect([...(await other.read())]).toEqual([1, 2])
      other.dispose()
    })

    it('refuses ids outside the rows they choose from, negative ones too, and goes on', async () => {
      const table = new Variable(
        [4, 2],
        'f32',
        { kind: 'host', data: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
        { engine },
      )
      const ids = input('ids', [2], 'i32')
      const rows = reshape(mul(cast(iota(4), 'f32'), 1), [2, 2])
      const ops = {
        gather: gather(table.value, ids),
        gatherLast: gatherLast(gather(table.value, iota(2)), reshape(ids, [2])),
        scatterAdd: scatterAdd(ids, rows, 4),
        update: update(table.value, rows, ids, 0),
        linearCrossEntropy: linearCrossEntropy(rows, table.value, ids),
      }
      for (const [op, result] of Object.entries(ops)) {
        const program = compile({ outputs: { result }, engine })
        for (const bad of [-1, -100, op === 'gatherLast' ? 2 : 4]) {
          const failure = await program.run({ ids: Int32Array.of(0, bad) }).catch((error: LabError) => error)
          expect(failure, `${op} of ${bad}`).toMatchObject({ code: 'ENGINE' })
          expect(engine.ended).toBeNull()
        }
        expect((await program.run({ ids: Int32Array.of(1, 0) })).result.every(Number.isFinite)).toBe(true)
      }
      table.dispose()
    })

    // the last one, because an engine may end with it
    it('leaves variables as they were when a run fails, or ends and says why', async () => {
      const table = new Variable([4, 1], 'f32', { kind: 'host', data: new Float32Array(4) }, { engine })
      const v = new Variable([1000], 'f32', { kind: 'host', data: new Float32Array(1000) }, { engine })
      const program = compile({
        outputs: { rows: gather(table.value, input('ids', [1], 'i32')) },
        updates: [[v, add(v.value, 10)]],
      })
      const failure = await program.run({ ids: Int32Array.of(7) }).then(
        () => null,
        error => error as LabError,
      )
      expect(failure).toMatchObject({ code: 'ENGINE' })
      expect(engine.ended === null ? 'unchanged' : 'ended').toBe(afterFailedUpdate)
      if (engine.ended) {
        expect(failure!.message).toBe(engine.ended.message)
        await expect(v.read()).rejects.toMatchObject({ code: 'ENGINE', message: failure!.message })
        expect(() => new Variable([1], 'f32', { kind: 'zeros' }, { engine })).toThrow(failure!.message)
      } else expect((await v.read()).every(x => x === 0)).toBe(true)
    })

    it('rejects every call with ENGINE_CLOSED once it has been disposed', async () => {
      // of some kinds a process can have only one at a time
      const closed = engine.ended ? start() : engine
      const v = new Variable([2], 'f32', { kind: 'zeros' }, { engine: closed })
      const program = compile({ outputs: { y: mul(v.value, 2) } })
      await program.run()
      await closed.dispose()
      await closed.dispose()
      const gone = { code: 'ENGINE_CLOSED' }
      expect(closed.ended).toMatchObject(gone)
      await expect(program.run()).rejects.toMatchObject(gone)
      await expect(v.read()).rejects.toMatchObject(gone)
      await expect(closed.memory()).rejects.toMatchObject(gone)
      await expect(compile({ outputs: { y: add(v.value, 2) } }).load()).rejects.toMatchObject(gone)
      expect(() => new Variable([1], 'f32', { kind: 'zeros' }, { engine: closed })).toThrow(/disposed/)
      expect(() => v.write(new Float32Array(2))).toThrow(/disposed/)
      v.dispose()
    })
  })
}
