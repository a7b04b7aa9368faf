/** The tensor core alone, as it is used from a cell or a prompt. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import '../../src/tensor/fluent.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { grad } from '../../src/tensor/autograd.js'
import { setDefaultEngine, setDefaultEngineFactory } from '../../src/tensor/engine.js'
import { fromHost, input, iota, scalar, tensor } from '../../src/tensor/leaf.js'
import { Variable } from '../../src/tensor/variable.js'

const engine = new OnnxEngine({ threads: 1 })
beforeAll(() => setDefaultEngine(engine))
afterAll(() => engine.dispose())

const silu = (x: number) => x / (1 + Math.exp(-x))
const siluSlope = (x: number) => {
  const s = 1 / (1 + Math.exp(-x))
  return s + x * s * (1 - s)
}

describe('a cell', () => {
  it('computes tensor([[1,2],[3,4]]).matmul(w).silu() when asked for its data', async () => {
    const w = tensor([
      [1, 0],
      [0, -1],
    ])
    const t = tensor([
      [1, 2],
      [3, 4],
    ])
      .matmul(w)
      .silu()
    expect(t.shape).toEqual([2, 2])
    expect(String(t)).toBe('Tensor(f32 [2, 2], silu)')
    const data = await t.data()
    expect(data).toBeInstanceOf(Float32Array)
    for (const [i, x] of [1, -2, 3, -4].entries()) expect(data[i]).toBeCloseTo(silu(x), 6)
  })

  it('differentiates: grad(loss, [w])', async () => {
    const x = tensor([
      [1, 2],
      [3, 4],
    ])
    const w = tensor([
      [1, 0],
      [0, -1],
    ])
    const loss = x.matmul(w).silu().sum()
    const [dw] = grad(loss, [w])
    const h = [1, -2, 3, -4].map(siluSlope)
    const byHand = [1 * h[0]! + 3 * h[2]!, 1 * h[1]! + 3 * h[3]!, 2 * h[0]! + 4 * h[2]!, 2 * h[1]! + 4 * h[3]!]
    const values = await dw!.data()
    for (const [i, value] of byHand.entries()) expect(values[i]).toBeCloseTo(value, 5)
    expect(await loss.item()).toBeCloseTo(silu(1) + silu(-2) + silu(3) + silu(-4), 5)
  })

  it('has a gradient of zeros by what the loss does not depend on, and none through a choice', async () => {
    const [x, other] = [tensor([1, 2, 3]), tensor([5, 6])]
    const [dx, dOther] = grad(x.mul(x).sum(), [x, other])
    expect([...(await dx!.data())]).toEqual([2, 4, 6])
    expect([...(await dOther!.data())]).toEqual([0, 0])
    expect(() => grad(x.mul(2), [x])).toThrow(/loss has shape \[3\]; expected a scalar, try sum\(\) or mean\(\)/)
  })

  it('mixes numbers, chains, slices and casts', async () => {
    const t = tensor([
      [3, 1, 2],
      [-1, 5, 0],
    ])
    expect([...(await t.add(1).mul(2).slice(1, 0, 2).data())]).toEqual([8, 4, 0, 12])
    expect([...(await t.transpose().data())]).toEqual([3, -1, 1, 5, 2, 0])
    expect([...(await t.argmax().data())]).toEqual([0, 1])
    expect([...(await t.greater(1).data())]).toEqual([1, 0, 1, 0, 1, 0])
    expect(await t.mean().item()).toBeCloseTo(10 / 6, 6)
    expect([...(await t.softmax().sum(1).data())].map(x => Math.round(1e6 * x))).toEqual([1e6, 1e6])
    expect([...(await t.concat([t.neg()], 1).slice(1, 3).data())]).toEqual([-3, -1, -2, 1, -5, -0])
  })

  it('starts the default engine at its first use, and says when there is none', async () => {
    setDefaultEngine(null)
    let made = 0
    setDefaultEngineFactory(() => {
      made++
      return engine
    })
    expect([...(await tensor([1, 2]).add(1).data())]).toEqual([2, 3])
    await tensor([1]).data()
    expect(made).toBe(1)
  })
})

describe('printing', () => {
  it('shows a scalar, a row, a matrix with aligned columns', async () => {
    expect(await scalar(2.5).show()).toBe('Tensor f32 [] 2.5')
    expect(await tensor([1, -2, 0.5]).show()).toBe('Tensor f32 [3]\n[  1,  -2, 0.5]')
    const matrix = tensor([
      [1, 200],
      [-Math.PI, 4],
    ])
    expect(await matrix.show()).toBe('Tensor f32 [2, 2]\n[[      1,     200],\n [-3.1416,       4]]')
  })

  it('leaves an empty line between matrices of a stack', async () => {
    const stack = tensor([
      [[1], [2]],
      [[3], [4]],
    ])
    expect(await stack.show()).toBe('Tensor f32 [2, 2, 1]\n[[[1],\n  [2]],\n\n [[3],\n  [4]]]')
  })

  it('cuts long dimensions in the middle', async () => {
    expect(await iota(7).show()).toBe('Tensor i32 [7]\n[0, 1, 2, 3, 4, 5, 6]')
    expect(await iota(8).show()).toBe('Tensor i32 [8]\n[0, 1, 2, ..., 5, 6, 7]')
    const lines = (await iota(10_000).reshape([100, 100]).show()).split('\n')
    expect(lines).toHaveLength(1 + 7)
    expect(lines[1]).toBe('[[   0,    1,    2, ...,   97,   98,   99],')
    expect(lines[4]).toBe(' ...,')
    expect(lines[7]).toBe(' [9900, 9901, 9902, ..., 9997, 9998, 9999]]')
  })

  it('writes extremes, NaN and other types readably', async () => {
    const odd = tensor([1e-7, 123456, Number.NaN, Number.POSITIVE_INFINITY, 0])
    expect(await odd.show()).toBe('Tensor f32 [5]\n[1.000e-7, 1.235e+5,      NaN, Infinity,        0]')
    expect(await tensor([true, false]).show()).toBe('Tensor bool [2]\n[ true, false]')
    const half = fromHost(Uint16Array.of(0x3c00, 0xc100), [2], 'f16')
    expect(await half.show()).toBe('Tensor f16 [2]\n[   1, -2.5]')
    expect(await fromHost(new Float32Array(0), [0, 3], 'f32').show()).toBe('Tensor f32 [0, 3]\n[]')
  })

  it('prints a variable with the value that it has now', async () => {
    const v = new Variable([2], 'f32', { kind: 'host', data: Float32Array.of(1, 2) }, { name: 'w' })
    expect(await v.value.show()).toBe('Tensor f32 [2]\n[1, 2]')
    v.write(Float32Array.of(3, 4))
    expect(await v.value.mul(2).show()).toBe('Tensor f32 [2]\n[6, 8]')
    v.dispose()
    await expect(v.read()).rejects.toMatchObject({ code: 'DISPOSED' })
    await expect(input('x', [2]).data()).rejects.toThrow(/needs input "x"/)
  })
})
