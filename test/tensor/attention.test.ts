import '../../src/tensor/fluent.js'
import { afterAll, describe, expect, it } from 'vitest'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { grad } from '../../src/tensor/autograd.js'
import type { Tensor } from '../../src/tensor/graph.js'
import { fromHost, iota, scalar } from '../../src/tensor/leaf.js'
import { attention } from '../../src/tensor/ops/attention.js'
import { linearCrossEntropy } from '../../src/tensor/ops/cross-entropy.js'
import { and, greater, lessOrEqual, mul, sub, where } from '../../src/tensor/ops/elementwise.js'
import { gatherLast } from '../../src/tensor/ops/indexing.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { expand, reshape } from '../../src/tensor/ops/movement.js'
import { sum } from '../../src/tensor/ops/reduce.js'
import { logSoftmax, softmax } from '../../src/tensor/ops/softmax.js'
import { realize } from '../../src/tensor/program.js'
import { sizeOf } from '../../src/tensor/shape.js'
import { keyOf, Prng } from '../../src/util/prng.js'

const engine = new OnnxEngine()
afterAll(() => engine.dispose())

function random(seed: string, shape: number[]): Tensor {
  const draws = new Prng(keyOf(seed))
  return fromHost(
    Float32Array.from({ length: sizeOf(shape) }, () => draws.normal()),
    shape,
    'f32',
  )
}

/** Attention as the definition reads, one matrix of scores, gradients from plain ops. */
function naive(q: Tensor, k: Tensor, v: Tensor, window: number | null): Tensor {
  const [B, H, T, D] = q.shape as [number, number, number, number]
  const [K, S] = [k.shape[1]!, k.shape[2]!]
  const spread = (x: Tensor) => reshape(expand(reshape(x, [B, K, 1, S, D]), [B, K, H / K, S, D]), [B, H, S, D])
  const position = reshape(iota(T).add(S - T), [T, 1])
  const key = reshape(iota(S), [1, S])
  const causal = lessOrEqual(key, position)
  const seen = window === null ? causal : and(causal, greater(key, sub(position, window)))
  const scores = mul(matmul(q, spread(k), { transB: true }), 1 / Math.sqrt(D))
  return matmul(softmax(where(seen, scores, -1e30)), spread(v))
}

function largest(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  return Array.from(ours).reduce((worst, x, i) => Math.max(worst, Math.abs(x - theirs[i]!)), 0)
}

describe('attention over more queries than one chunk', () => {
  for (const [name, T, S, window] of [
    ['causal', 300, 300, null],
    ['sliding window', 300, 300, 70],
    ['window shorter than a chunk boundary', 257, 257, 3],
    ['earlier keys', 260, 290, null],
  ] as const) {
    it(`${name}: values and gradients equal the definition's`, async () => {
      const q = random('q', [1, 4, T, 8])
      const k = random('k', [1, 2, S, 8])
      const v = random('v', [1, 2, S, 8])
      const weights = random('w', [1, 4, T, 8])
      const both = [attention(q, k, v, { window }), naive(q, k, v, window)].map(out => [
        out,
        ...grad(sum(mul(out, weights)), [q, k, v]),
      ])
      const [ours, theirs] = await Promise.all(both.map(tensors => realize(tensors, { engine })))
      expect(Math.max(...ours!.map((values, i) => largest(values, theirs![i]!)))).toBeLessThan(3e-5)
    })
  }
})

describe('cross-entropy over more rows than one chunk', () => {
  it('equals the negative log-softmax, values and gradients', async () => {
    // 8,192 classes are 32 kB a row: 32 MB hold 976 rows
    const [N, C, V] = [1100, 4, 8192]
    const x = random('x', [N, C])
    const w = random('head', [V, C])
    const targets = fromHost(
      Int32Array.from({ length: N }, (_, i) => (i * 7919) % V),
      [N],
      'i32',
    )
    const weights = random('loss', [N])
    const definition = mul(gatherLast(logSoftmax(matmul(x, w, { transB: true })), targets), scalar(-1))
    const both = [linearCrossEntropy(x, w, targets), definition].map(out => [
      out,
      ...grad(sum(mul(out, weights)), [x, w]),
    ])
    const [ours, theirs] = await Promise.all(both.map(tensors => realize(tensors, { engine })))
    expect(Math.max(...ours!.map((values, i) => largest(values, theirs![i]!)))).toBeLessThan(3e-5)
  }, 20_000)
})
