/** Graphs: deep ones, equal ones, recomputed ones, and what of them is left after a run. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import '../../src/tensor/fluent.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { grad } from '../../src/tensor/autograd.js'
import { setDefaultEngine } from '../../src/tensor/engine.js'
import type { Tensor } from '../../src/tensor/graph.js'
import { input, tensor } from '../../src/tensor/leaf.js'
import { lower } from '../../src/tensor/lower.js'
import { linearCrossEntropy } from '../../src/tensor/ops/cross-entropy.js'
import { add, mul, sub, tanh } from '../../src/tensor/ops/elementwise.js'
import { sum } from '../../src/tensor/ops/reduce.js'
import { rmsNorm } from '../../src/tensor/ops/rms-norm.js'
import { compile, realize } from '../../src/tensor/program.js'
import { remat } from '../../src/tensor/remat.js'
import { Variable } from '../../src/tensor/variable.js'
import { TrainStep } from '../../src/train/step.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'

const engine = new OnnxEngine({ threads: 1 })
beforeAll(() => setDefaultEngine(engine))
afterAll(() => engine.dispose())

const none: ReadonlySet<string> = new Set()

function lowered(outputs: readonly Tensor[], native: ReadonlySet<string> = none) {
  return lower(outputs, [], native)
}

describe('a deep graph', () => {
  it('of 5,000 nodes is built, differentiated, lowered and run without running out of stack', async () => {
    const x = tensor([0.5, -0.25])
    let y = x
    for (let i = 0; i < 5000; i++) y = i % 2 ? add(y, 0.001) : mul(y, 0.9999)
    const loss = sum(y)
    const [dx] = grad(loss, [x])
    const reference = new ReferenceEngine()
    const [exact, slope] = await realize([loss, dx!], { engine: reference })
    expect(slope![0]).toBeCloseTo(0.9999 ** 2500, 6)
    const [value, slopes] = await realize([loss, dx!])
    expect(value![0]).toBeCloseTo(exact![0]!, 3)
    expect(slopes![1]).toBeCloseTo(0.9999 ** 2500, 4)
  })

  it('of 5,000 nodes inside remat too', async () => {
    const x = tensor([0.5])
    const deep = (h: Tensor) => {
      for (let i = 0; i < 5000; i++) h = mul(h, 0.9999)
      return [h]
    }
    const [dx] = grad(sum(remat(deep, [x])[0]!), [x])
    const [slope] = await realize([dx!], { engine: new ReferenceEngine() })
    expect(slope![0]).toBeCloseTo(0.9999 ** 5000, 6)
  })

  it('that uses every value twice is of linear size', () => {
    let y: Tensor = input('x', [])
    for (let i = 0; i < 60; i++) y = add(y, y)
    expect(lowered([y]).spec.nodes).toHaveLength(60)
    const [dx] = grad(y, [input('x', [])])
    expect(lowered([dx!]).spec.nodes.length).toBeLessThan(10)
  })
})

describe('lowering', () => {
  it('merges equal subexpressions, and equal programs over other data share a key', () => {
    const build = (values: number[]) => {
      const x = tensor(values)
      return add(mul(x, 2).tanh(), mul(x, 2).tanh())
    }
    const [a, b] = [lowered([build([1, 2])]), lowered([build([3, 4])])]
    expect(a.spec.nodes.map(node => node.op)).toEqual(['scalar', 'mul', 'tanh', 'add'])
    expect(a.key).toBe(b.key)
    expect([...a.data.values()].map(data => [...data])).toEqual([[1, 2]])
    expect(lowered([build([1, 2, 3])]).key).not.toBe(a.key)
    expect(lowered([mul(tensor([1, 2]), 3)]).key).not.toBe(lowered([mul(tensor([1, 2]), 4)]).key)
  })

  it('tells programs apart that differ only in the sign of an infinity or of zero', () => {
    const values = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0, -0]
    expect(new Set(values.map(value => lowered([mul(tensor([1]), value)]).key)).size).toBe(values.length)
    expect(lowered(values.map(value => mul(tensor([1]), value))).spec.nodes).toHaveLength(2 * values.length)
  })

  it('equal programs over other variables share a key; which variable is whose is part of the structure', () => {
    const make = () => new Variable([2], 'f32', { kind: 'zeros' })
    const [p, q, r] = [make(), make(), make()]
    const key = (...tensors: Tensor[]) => lowered(tensors).key
    expect(key(add(p.value, q.value))).toBe(key(add(q.value, r.value)))
    expect(key(add(p.value, p.value))).not.toBe(key(add(p.value, q.value)))
    for (const v of [p, q, r]) v.dispose()
  })

  it('keeps nothing that no result needs, not even the other outputs of a composite', () => {
    const [x, weight, targets] = [input('x', [6, 3]), input('w', [40, 3]), input('t', [6], 'i32')]
    const loss = sum(linearCrossEntropy(x, weight, targets))
    const [dx] = grad(loss, [x])
    const { spec } = lowered([dx!])
    // a gradient by the frozen weight would have its shape
    expect(spec.nodes.flatMap(n => n.outputs).filter(v => spec.values[v]!.shape.join() === '40,3')).toEqual([])
    const used = new Set([...spec.outputs, ...spec.nodes.flatMap(node => node.inputs)])
    for (const node of spec.nodes) expect(node.outputs.some(value => used.has(value))).toBe(true)
  })
})

describe('gradients', () => {
  it('of frozen leaves are not built, and the backward pass stops at the lowest tensor asked for', () => {
    const [x, w1, w2] = [input('x', [4, 8]), input('w1', [8, 8]), input('w2', [8, 8])]
    const hidden = tanh(x.matmul(w1))
    const loss = sum(hidden.matmul(w2))
    const count = (wrt: Tensor[]) => lowered(grad(loss, wrt)).spec.nodes.filter(n => n.op === 'matmul').length
    // x w1, then hidden^T g only; with w1: g w2^T and x^T (...) besides
    expect(count([w2])).toBe(2)
    expect(count([w1])).toBe(3)
    expect(count([w1, w2])).toBe(4)
  })

  it('add up where a value is used several times', async () => {
    const x = tensor([2, 3])
    const y = mul(x, x)
    const [dx] = grad(sum(add(mul(y, x), y)), [x])
    // d(x^3 + x^2) = 3 x^2 + 2 x
    expect([...(await dx!.data())]).toEqual([16, 33])
  })

  it('go through a second differentiation', async () => {
    const x = tensor([0.3, -0.8])
    const [first] = grad(sum(tanh(x)), [x])
    const [second] = grad(sum(first!), [x])
    const values = await second!.data()
    for (const [i, v] of [0.3, -0.8].entries()) {
      const t = Math.tanh(v)
      expect(values[i]).toBeCloseTo(-2 * t * (1 - t * t), 6)
    }
  })
})

describe('remat', () => {
  /** Values and gradients of `build` with a function that is or is not rematerialised. */
  async function both(build: (segment: typeof remat) => Tensor, wrt: readonly Tensor[]): Promise<number[][][]> {
    const plain: typeof remat = (fn, inputs) => fn(...inputs)
    const runs = [plain, remat].map(async segment => {
      const loss = build(segment)
      const results = await realize([loss, ...grad(loss, wrt)])
      // terms of a sum may come in another order, so the last bits may differ
      return results.map(values => [...values].map(value => Number(value.toPrecision(6))))
    })
    return Promise.all(runs)
  }

  const x = tensor([
    [0.5, -1, 2],
    [1.5, 0.25, -0.75],
  ])
  const w = tensor([1.5, 0.5, -1])

  it('gives the gradients of tensors used from outside, of both outputs of an outer node', async () => {
    const [a, b] = await both(
      segment => {
        // the first output of rmsNorm goes in, and its vector-Jacobian product needs the second
        const normed = rmsNorm(mul(x, 2), w, 1e-5)
        const outer = mul(normed, w)
        return sum(tanh(segment(h => [mul(add(h, normed), outer)], [mul(x, 3)])[0]!))
      },
      [x, w],
    )
    expect(b).toEqual(a)
    expect(a![1]!.some(value => value !== 0)).toBe(true)
  })

  it('with several inputs and outputs, some of them unused', async () => {
    const [a, b] = await both(
      segment => {
        const [sumOfBoth, product] = segment((p, q) => [add(p!, q!), mul(p!, q!), sub(p!, q!)], [x, mul(x, x)])
        return sum(mul(tanh(sumOfBoth!), product!))
      },
      [x],
    )
    expect(b).toEqual(a)
  })

  it('inside remat', async () => {
    const [a, b] = await both(
      segment => {
        const inner = (h: Tensor) => segment(z => [tanh(mul(z, w))], [h])
        const outer = (h: Tensor) => inner(add(h, inner(mul(h, 0.5))[0]!))
        return sum(segment(outer, [segment(outer, [x])[0]!])[0]!)
      },
      [x, w],
    )
    expect(b).toEqual(a)
  })

  it('that passes its input through, or ignores it', async () => {
    const [a, b] = await both(
      segment => {
        const [same, constant] = segment(h => [h!, mul(w, 2)], [x])
        return sum(mul(tanh(same!), constant!))
      },
      [x, w],
    )
    expect(b).toEqual(a)
  })

  it('computes its segment twice only when a gradient is asked for', () => {
    const y = sum(remat(h => [tanh(mul(h, h))], [x])[0]!)
    const tanhs = (tensors: readonly Tensor[]) => lowered(tensors).spec.nodes.filter(node => node.op === 'tanh').length
    expect(tanhs([y])).toBe(1)
    expect(tanhs([y, ...grad(y, [x])])).toBe(2)
  })
})

describe('the memory of the device', () => {
  it('is back at its baseline when a training run is over', async () => {
    const before = await engine.memory()
    const model = tinyModel(engine)
    const trainable = [...model.parameters.keys()]
    const optimizer = { betas: [0.9, 0.95] as const, eps: 1e-8, weightDecay: 0.1, clipNorm: 1 }
    const options = { microBatch: 2, seqLen: 6, rematBlocks: false, optimizer }
    for (const gradAccumSteps of [1, 2]) {
      const step = new TrainStep(model, trainable, { ...options, gradAccumSteps })
      for (let n = 1; n <= 2; n++)
        await step.run(
          Array.from({ length: gradAccumSteps }, () => tinyBatch(2, 6, 16, n)),
          0.01,
          n,
        )
      const during = await engine.memory()
      const weights = 4 * [...model.parameters.values()].reduce((n, v) => n + v.shape.reduce((a, b) => a * b), 0)
      // weights, two moments, accumulators
      expect(during.variableBytes - before.variableBytes).toBe(weights * (gradAccumSteps === 1 ? 3 : 4))
      step.dispose()
    }
    model.dispose()
    const { variableBytes, variables } = await engine.memory()
    expect({ variableBytes, variables }).toEqual({
      variableBytes: before.variableBytes,
      variables: before.variables,
    })
  })

  it('of variables that were dropped without dispose is freed by the garbage collector', async () => {
    const before = await engine.memory()
    const drop = () => {
      for (let i = 0; i < 50; i++) new Variable([1 << 18], 'f32', { kind: 'zeros' })
    }
    drop()
    // fills the heap until the collector has run and its finalisers have been called
    for (let i = 0; i < 200; i++) {
      const garbage = Array.from({ length: 50_000 }, (_, n) => ({ n }))
      expect(garbage).toHaveLength(50_000)
      await new Promise(resolve => setTimeout(resolve, 1))
      if ((await engine.memory()).variableBytes === before.variableBytes) break
    }
    expect((await engine.memory()).variableBytes).toBe(before.variableBytes)
  })

  it('is not copied for updates that may overwrite their variable', async () => {
    const v = new Variable([1024], 'f32', { kind: 'zeros' })
    const before = await engine.memory()
    const program = compile({ outputs: {}, updates: [[v, add(mul(v.value, 0.5), 1)]] })
    for (let i = 0; i < 3; i++) await program.run()
    expect((await engine.memory()).variableBytes).toBe(before.variableBytes)
    expect((await v.read())[0]).toBe(1.75)
    v.dispose()
  })
})
