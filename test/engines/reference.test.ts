import { describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { grad } from '../../src/tensor/autograd.js'
import { opNames, type Tensor } from '../../src/tensor/graph.js'
import { lower } from '../../src/tensor/lower.js'
import { sizeOf } from '../../src/tensor/shape.js'
import { conformance, operandsOf, outputsOf, weightedSum } from './conformance.js'
import { type OpCase, opCases } from './op-cases.js'

conformance('reference', () => new ReferenceEngine(), { afterFailedUpdate: 'unchanged' })

const leaves = ['data', 'input', 'variable']

/** The scalar of a case as a function of exact float64 operands. */
async function exactly(
  c: OpCase,
  values: readonly Float64Array[],
  pick: (operands: Tensor[]) => readonly Tensor[],
): Promise<Float64Array[]> {
  const engine = new ReferenceEngine()
  const operands = operandsOf(c)
  const { spec, key, data } = lower(pick(operands), [], engine.nativeOps)
  const inputs = spec.inputs.map(({ value }) => {
    const index = operands.findIndex(t => t.node.payload?.kind === 'data' && t.node.payload.data === data.get(value))
    return index >= 0 ? values[index]! : data.get(value)!
  })
  return engine.runExact(await engine.load(spec, key), inputs, []).map(v => v.data)
}

describe('gradients by central differences in float64', () => {
  it('every op has a case', () => {
    const covered = new Set(opCases.flatMap(c => c.ops))
    expect(opNames().filter(name => !covered.has(name) && !leaves.includes(name))).toEqual([])
  })

  for (const c of opCases.filter(c => c.shapes.length > 0 && c.wrt?.length !== 0)) {
    it(c.name, async () => {
      const at = operandsOf(c).map(t =>
        t.node.payload?.kind === 'data' ? Float64Array.from(t.node.payload.data) : new Float64Array(),
      )
      const loss = (operands: Tensor[]) => weightedSum(outputsOf(c, operands))
      const wrt = c.wrt ?? c.shapes.map((_, i) => i)
      const gradients = await exactly(c, at, operands =>
        grad(
          loss(operands),
          wrt.map(i => operands[i]!),
        ),
      )
      const h = 1e-5
      for (const [k, i] of wrt.entries()) {
        for (let n = 0; n < sizeOf(c.shapes[i]!); n++) {
          const shifted = async (step: number) => {
            const values = at.map(v => v.slice())
            values[i]![n]! += step
            return (await exactly(c, values, operands => [loss(operands)]))[0]![0]!
          }
          const numeric = ((await shifted(h)) - (await shifted(-h))) / (2 * h)
          expect(Math.abs(gradients[k]![n]! - numeric), `d/d operand ${i} element ${n}`).toBeLessThan(
            1e-6 * Math.max(1, Math.abs(numeric)),
          )
        }
      }
    })
  }
})
