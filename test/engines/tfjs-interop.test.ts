/** Tensors between the lab and tfjs, as a cell mixes them. */
import fc from 'fast-check'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { TfjsEngine } from '../../src/engines/tfjs/engine.js'
import { fromTf, tf as lazy, loadTf, toTf, toTfAsync, withTf } from '../../src/engines/tfjs/interop.js'
import type { Tf, TfTensor } from '../../src/engines/tfjs/load.js'
import '../../src/tensor/fluent.js'
import type { HostArray } from '../../src/tensor/dtype.js'
import type { Tensor } from '../../src/tensor/graph.js'
import { fromHost, input, tensor } from '../../src/tensor/leaf.js'
import { cast, where } from '../../src/tensor/ops/elementwise.js'
import { realize } from '../../src/tensor/program.js'
import { sizeOf } from '../../src/tensor/shape.js'
import { Variable } from '../../src/tensor/variable.js'

const engine = new ReferenceEngine()
const valuesOf = async (t: Parameters<typeof realize>[0][number]): Promise<HostArray> =>
  (await realize([t], { engine }))[0]!

for (const backend of ['wasm', 'cpu']) {
  describe(`tensors to and from tfjs on ${backend}`, () => {
    let tf: Tf
    let before = 0
    beforeAll(async () => {
      tf = await loadTf<Tf>({ backend })
    })
    beforeEach(() => {
      before = tf.memory().numTensors
    })

    it('mixes tf ops with ours in one line', async () => {
      const x = tensor([
        [-1, 2],
        [3, -4],
      ])
      const there = toTf<TfTensor>(x.mul(2))
      const positive = tf.relu(there)
      expect([...(await valuesOf(fromTf(positive).add(1)))]).toEqual([1, 5, 7, 1])
      there.dispose()
      positive.dispose()
      const y = withTf(own => own.relu(toTf(x.mul(2))))
      expect([...(await valuesOf(y.add(1)))]).toEqual([1, 5, 7, 1])
      expect(y.shape).toEqual([2, 2])
      expect(tf.memory().numTensors).toBe(before)
    })

    it('keeps every shape, dtype and element, there and back', () => {
      const sizes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 5 })
      fc.assert(
        fc.property(sizes, fc.constantFrom('f32', 'i32', 'bool'), fc.integer(), (shape, dtype, seed) => {
          const bits = Int32Array.from({ length: sizeOf(shape) }, (_, i) => Math.imul(seed ^ i, 0x9e37_79b1))
          const data =
            dtype === 'i32'
              ? bits
              : dtype === 'bool'
                ? Uint8Array.from(bits, b => b & 1)
                : Float32Array.from(bits, b => b / 3)
          const there = toTf<TfTensor>(fromHost(data, shape, dtype))
          const back = fromTf(there)
          there.dispose()
          expect(back.shape).toEqual(shape)
          expect(back.dtype).toBe(dtype)
          expect(back.node.payload).toEqual({ kind: 'data', data })
        }),
        { numRuns: 60 },
      )
      expect(tf.memory().numTensors).toBe(before)
    })

    it('keeps infinities, NaN and the sign of zero', () => {
      const data = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-45)
      const there = toTf<TfTensor>(fromHost(data, [5], 'f32'))
      const back = fromTf(there).node.payload
      expect(back?.kind === 'data' && [...back.data].map(x => (Object.is(x, -0) ? '-0' : String(x)))).toEqual(
        [...data].map(x => (Object.is(x, -0) ? '-0' : String(x))),
      )
      there.dispose()
    })

    it('copies both ways: what one side does to its memory the other does not see', async () => {
      const data = Float32Array.of(1, 2)
      const there = toTf<TfTensor>(fromHost(data, [2], 'f32'))
      data[0] = 100
      const here = fromTf(there)
      there.dispose()
      tf.tensor1d([7, 7]).dispose()
      expect([...(await valuesOf(here))]).toEqual([1, 2])
      expect(tf.memory().numTensors).toBe(before)
    })

    it('has tf at hand without loading it by name', async () => {
      const x = tensor([-1, 2])
      const y = lazy['tidy'](() => fromTf(lazy['relu'](toTf(x)))) as Tensor
      expect([...(await valuesOf(y))]).toEqual([0, 2])
      expect(Object.keys(lazy)).toEqual(expect.arrayContaining(['relu', 'tidy']))
      expect('relu' in lazy).toBe(true)
    })

    it('leaves its result to a surrounding tf.tidy', () => {
      tf.tidy(() => {
        toTf(tensor([1, 2]))
        toTf(where(tensor([true, false]), tensor([1, 2]), 0))
      })
      expect(tf.memory().numTensors).toBe(before)
    })

    it('refuses 16-bit floats until they are widened by name, and tfjs types that we do not have', () => {
      expect(() => toTf(cast(tensor([1]), 'bf16'))).toThrow(/tfjs has no bf16; widen it first/)
      const widened = toTf<TfTensor>(cast(cast(tensor([1.01]), 'bf16'), 'f32'))
      expect([...widened.dataSync()]).toEqual([1.0078125])
      const text = tf.tensor1d(['a'])
      expect(() => fromTf(text)).toThrow(/expected float32, int32 or bool, got string/)
      text.dispose()
      widened.dispose()
      expect(() => fromTf(widened)).toThrow(/has been disposed/)
      expect(tf.memory().numTensors).toBe(before)
    })

    it('says where weights live, and fetches them when asked', async () => {
      const own = new TfjsEngine({ backend })
      const w = new Variable(
        [2],
        'f32',
        { kind: 'host', data: Float32Array.of(3, 4) },
        { engine: own, name: 'model.norm.weight' },
      )
      expect(() => toTf(w.value.mul(2))).toThrow(
        /reads model.norm.weight, which lives on the engine tfjs; use await toTfAsync/,
      )
      const doubled = await toTfAsync<TfTensor>(w.value.mul(2))
      expect([...doubled.dataSync()]).toEqual([6, 8])
      doubled.dispose()
      await own.dispose()
      expect(() => toTf(input('x', [2]).mul(2))).toThrow(/placeholder "x"/)
      expect(tf.memory().numTensors).toBe(before)
    })
  })
}

describe('loadTf', () => {
  it('names the backends there are when one is unknown', async () => {
    await expect(loadTf({ backend: 'wams' })).rejects.toThrow(/no backend "wams".*Did you mean "wasm"/)
  })
})
