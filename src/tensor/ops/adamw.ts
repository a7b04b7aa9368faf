import { applyOp, defineOp, requireDtype, type Tensor } from '../graph.js'
import { equalShapes, shapeError } from '../shape.js'
import { add, div, mul, sqrt, sub } from './elementwise.js'

export interface AdamWOptions {
  /** Decay of the first moment. */
  beta1: number
  /** Decay of the second moment. */
  beta2: number
  eps: number
  /** Decoupled: the parameter shrinks by lr * weightDecay each step. */
  weightDecay: number
}

export interface AdamWInputs {
  parameter: Tensor
  m: Tensor
  v: Tensor
  gradient: Tensor
  /** f32 scalars of this step: the learning rate, and the bias corrections 1 - beta^t. */
  lr: Tensor
  correction1: Tensor
  correction2: Tensor
}

const adamwOp = defineOp({
  name: 'adamw',
  infer(inputs) {
    const [p, m, v, g] = inputs as [Tensor, Tensor, Tensor, Tensor]
    requireDtype('adamw', inputs, ['f32'])
    if (![m, v, g].every(t => equalShapes(t.shape, p.shape))) {
      throw shapeError('adamw', [p.shape, m.shape, v.shape, g.shape], 'parameter, moments and gradient of one shape')
    }
    return [p, m, v]
  },
  decompose(inputs, attrs) {
    const [p, m, v, g, lr, c1, c2] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
    const { beta1, beta2, eps, weightDecay } = attrs as unknown as AdamWOptions
    const m1 = add(mul(m, beta1), mul(g, 1 - beta1))
    const v1 = add(mul(v, beta2), mul(mul(g, g), 1 - beta2))
    const denominator = add(div(sqrt(v1), sqrt(c2)), eps)
    const decayed = mul(p, sub(1, mul(lr, weightDecay)))
    return [sub(decayed, mul(div(m1, denominator), div(lr, c1))), m1, v1]
  },
})

/**
 * One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101), state in f32:
 * m' = b1 m + (1-b1) g, v' = b2 v + (1-b2) g^2, p' = p (1 - lr wd) - lr (m'/c1) / (sqrt(v'/c2) + eps).
 * Returns `[p', m', v']`.
 */
export function adamw(inputs: AdamWInputs, { beta1, beta2, eps, weightDecay }: AdamWOptions): [Tensor, Tensor, Tensor] {
  const { parameter, m, v, gradient, lr, correction1, correction2 } = inputs
  return applyOp(adamwOp, [parameter, m, v, gradient, lr, correction1, correction2], {
    beta1,
    beta2,
    eps,
    weightDecay,
  }) as [Tensor, Tensor, Tensor]
}
