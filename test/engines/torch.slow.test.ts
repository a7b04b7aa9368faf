import { afterAll, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { TorchEngine } from '../../src/engines/torch/engine.js'
import { fromHost, input } from '../../src/tensor/leaf.js'
import { gather, gatherLast, scatterAdd, update } from '../../src/tensor/ops/indexing.js'
import { compile, realize } from '../../src/tensor/program.js'
import type { LabError } from '../../src/util/errors.js'
import { describeWithPython, hasCompiler } from '../support/python.js'
import { conformance, maxDifference, tensorsOf } from './conformance.js'
import { opCases } from './op-cases.js'

describeWithPython('PyTorch, line by line', () => {
  conformance('torch:cpu', () => new TorchEngine({ compile: 'never' }), { afterFailedUpdate: 'unchanged' })
})

/** The largest difference from the reference of every case of every op, by case, all of them computed as one program. */
async function differences(engine: TorchEngine): Promise<[string, number][]> {
  const cases = opCases.map(c => ({ name: c.name, tensors: tensorsOf(c) }))
  const all = cases.flatMap(({ tensors }) => tensors)
  const [ours, theirs] = [await realize(all, { engine }), await realize(all, { engine: new ReferenceEngine() })]
  let next = 0
  return cases.map(({ name, tensors }) => {
    const worst = tensors.map(() => maxDifference(ours[next]!, theirs[next++]!))
    return [name, Math.max(...worst)]
  })
}

describeWithPython('all ops of PyTorch as one program', () => {
  const engines: TorchEngine[] = []
  const start = (options: ConstructorParameters<typeof TorchEngine>[0]) => {
    const engine = new TorchEngine({ threads: 1, ...options })
    engines.push(engine)
    return engine
  }
  afterAll(async () => {
    for (const engine of engines) await engine.dispose()
  })

  it.skipIf(!hasCompiler)('are right through torch.compile', async () => {
    const wrong = (await differences(start({ compile: 'always' }))).filter(([, worst]) => !(worst < 2e-5))
    expect(wrong).toEqual([])
  })

  it('are near in bf16, where products and attention are rounded', async () => {
    const engine = start({ compile: 'never', precision: 'bf16' })
    const found = await differences(engine)
    // which of the two depends on the processor
    expect(engine.description).toMatch(/, 1 threads, bf16( emulated \(.*f32 is faster\))?, eager$/)
    expect(found.filter(([, worst]) => !(worst < 0.15))).toEqual([])
    const isExact = (name: string) => found.find(([other]) => other === name)![1] < 2e-5
    expect([isExact('rmsNorm'), isExact('adamw'), isExact('matmul')]).toEqual([true, true, false])
  })

  it.skipIf(!hasCompiler)('refuse ids outside their rows through torch.compile too', async () => {
    const engine = start({ compile: 'always' })
    const table = fromHost(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [4, 2], 'f32')
    const [ids, rows] = [input('ids', [2], 'i32'), fromHost(Float32Array.of(1, 2, 3, 4), [2, 2], 'f32')]
    const ops = {
      gather: gather(table, ids),
      gatherLast: gatherLast(rows, ids),
      scatterAdd: scatterAdd(ids, rows, 4),
      update: update(table, rows, ids, 0),
    }
    for (const [op, result] of Object.entries(ops)) {
      const program = compile({ outputs: { result }, engine })
      await program.run({ ids: Int32Array.of(1, 0) })
      for (const bad of [-1, -100, op === 'gatherLast' ? 2 : 4]) {
        const failure = await program.run({ ids: Int32Array.of(0, bad) }).catch((error: LabError) => error)
        expect(failure, `${op} of ${bad}`).toMatchObject({ code: 'ENGINE' })
      }
    }
  })
})
