/**
 * Cross-entropy of a linear classifier, rows in chunks so that the logits of a long batch never exist at once.
 * Shapes: N rows, C hidden, V vocabulary.
 */
import { apply, applyOp, defineOp, defineVjp, requireDtype, type Tensor } from '../graph.js'
import { shapeError } from '../shape.js'
import { barrier } from './barrier.js'
import { add, log, mul, sub } from './elementwise.js'
import { gatherLast, lookup, scatterAdd } from './indexing.js'
import { matmul } from './matmul.js'
import { concat, reshape, slice } from './movement.js'
import { max } from './reduce.js'
import { softmax } from './softmax.js'

/** Bytes of f32 logits held at a time. */
const CHUNK_BYTES = 32e6

const crossEntropyOp = defineOp({
  name: 'linearCrossEntropy',
  infer(inputs) {
    const [x, weight, targets] = inputs as [Tensor, Tensor, Tensor]
    requireDtype('linearCrossEntropy', [x, weight], ['f32'])
    requireDtype('linearCrossEntropy', [targets], ['i32'])
    if (
      x.shape.length !== 2 ||
      weight.shape.length !== 2 ||
      x.shape[1] !== weight.shape[1] ||
      targets.shape.length !== 1 ||
      targets.shape[0] !== x.shape[0]
    ) {
      throw shapeError(
        'linearCrossEntropy',
        [x.shape, weight.shape, targets.shape],
        'rows [N, C], weight [V, C], targets [N]',
      )
    }
    if (x.shape[0] === 0 || weight.shape[0] === 0)
      throw shapeError('linearCrossEntropy', [x.shape, weight.shape, targets.shape], 'at least one row and one class')
    return [{ shape: targets.shape, dtype: 'f32' }]
  },
  decompose(inputs) {
    const [x, weight, targets] = inputs as [Tensor, Tensor, Tensor]
    return [concat(rowChunks(x, weight).map(rows => negativeLogLikelihood(rows(x), weight, rows(targets))))]
  },
})

const gradOp = defineOp({
  name: 'linearCrossEntropyGrad',
  infer: inputs => [inputs[0]!, inputs[1]!],
  decompose(inputs, attrs) {
    const [x, weight, targets, dLoss] = inputs as [Tensor, Tensor, Tensor, Tensor]
    const dx: Tensor[] = []
    let dWeight: Tensor | null = null
    // An engine that works its way back from what is asked for takes the last rows first; the sum of weight gradients is
    // built in the same order, and the barriers see to it that all that is made of one chunk's logits is made at one time.
    for (const rows of rowChunks(x, weight).reverse()) {
      const d = barrier(reshape(rows(dLoss), [-1, 1]), negativeLogLikelihood(rows(x), weight, rows(targets)))
      const p = softmax(matmul(rows(x), weight, { transB: true }))
      // d logits = d * (p - onehot(target)); the one-hot part is a gather and a scatter, never a matrix
      const part = mul(d, sub(matmul(p, weight), lookup(weight, rows(targets))))
      const scaled = mul(d, rows(x))
      const product = matmul(p, scaled, { transA: true })
      const sum: Tensor = dWeight ? add(dWeight, product) : product
      dWeight = sub(sum, scatterAdd(rows(targets), scaled, weight.shape[0]!))
      dx.unshift(attrs['needsWeight'] ? barrier(part, dWeight) : part)
    }
    return [concat(dx), dWeight!]
  },
})

defineVjp('linearCrossEntropy', ({ inputs, grads, needs }) => {
  const gradients = applyOp(gradOp, [...inputs, grads[0]!], { needsWeight: needs[1] === true })
  return [...gradients, null]
})

/**
 * Nats per row of a softmax classifier with logits x weight^T: `out[i] = logSumExp(logits[i]) - logits[i, targets[i]]`.
 * @param x `[N, C]`
 * @param weight `[V, C]`
 * @param targets `[N]` i32 in 0..V-1; rows that should not count are weighted by the caller
 */
export function linearCrossEntropy(x: Tensor, weight: Tensor, targets: Tensor): Tensor {
  return apply(crossEntropyOp, [x, weight, targets])
}

function rowChunks(x: Tensor, weight: Tensor): ((t: Tensor) => Tensor)[] {
  const N = x.shape[0]!
  const size = Math.max(1, Math.floor(CHUNK_BYTES / (4 * weight.shape[0]!)))
  const chunks: ((t: Tensor) => Tensor)[] = []
  for (let from = 0; from < N; from += size) {
    const to = Math.min(N, from + size)
    chunks.push(t => slice(t, 0, from, to))
  }
  return chunks
}

/** logSumExp(z) = max(z) - log(max(softmax(z))): the softmax is what the gradient needs too, and never underflows at its maximum. */
function negativeLogLikelihood(x: Tensor, weight: Tensor, targets: Tensor): Tensor {
  const logits = matmul(x, weight, { transB: true })
  const lse = sub(max(logits, -1), log(max(softmax(logits), -1)))
  return sub(lse, gatherLast(logits, targets))
}
