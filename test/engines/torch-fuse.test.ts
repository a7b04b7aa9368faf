import { describe, expect, it } from 'vitest'
import { fuseCrossEntropy } from '../../src/engines/torch/fuse.js'
import { grad } from '../../src/tensor/autograd.js'
import type { Tensor } from '../../src/tensor/graph.js'
import { input } from '../../src/tensor/leaf.js'
import { lower, type ProgramSpec } from '../../src/tensor/lower.js'
import { linearCrossEntropy } from '../../src/tensor/ops/cross-entropy.js'
import { add, mul } from '../../src/tensor/ops/elementwise.js'
import { mean } from '../../src/tensor/ops/reduce.js'

const native = new Set(['linearCrossEntropy', 'linearCrossEntropyGrad'])
const [x, y] = [input('x', [4, 3]), input('y', [4, 3])]
const lossOf = (rows: Tensor) => mean(linearCrossEntropy(rows, input('w', [5, 3]), input('t', [4], 'i32')))

function fused(loss: Tensor, wrt: readonly Tensor[]): ProgramSpec {
  return fuseCrossEntropy(lower([loss, ...grad(loss, wrt)], [], native).spec)
}

/** How often each of the classifier's ops is left, after a check that every value is made once and before it is read. */
function counts(spec: ProgramSpec): number[] {
  const made = new Set(spec.inputs.map(({ value }) => value))
  for (const { inputs, outputs } of spec.nodes) {
    for (const value of inputs) expect(made.has(value)).toBe(true)
    for (const value of outputs) expect(made.has(value)).toBe(false)
    for (const value of outputs) made.add(value)
  }
  for (const value of spec.outputs) expect(made.has(value)).toBe(true)
  return ['linearCrossEntropy', 'linearCrossEntropyWithGrad', 'linearCrossEntropyGrad'].map(
    op => spec.nodes.filter(node => node.op === op).length,
  )
}

describe('the classifier in PyTorch', () => {
  it('computes its logits once for a loss and its gradient', () => {
    expect(counts(fused(lossOf(x), [x]))).toEqual([0, 1, 0])
    expect(counts(fused(add(lossOf(x), lossOf(y)), [x, y]))).toEqual([0, 2, 0])
  })

  it('keeps both nodes where the incoming gradient depends on the loss', () => {
    const loss = lossOf(x)
    expect(counts(fused(mul(loss, loss), [x]))).toEqual([1, 1, 0])
  })

  it('joins only one of two losses that are multiplied: each gradient waits for the other loss', () => {
    expect(counts(fused(mul(lossOf(x), lossOf(y)), [x, y]))).toEqual([1, 2, 0])
    const first = lossOf(x)
    expect(counts(fused(mul(mul(first, lossOf(y)), first), [x, y]))).toEqual([1, 2, 0])
  })
})
