import { applyOp, defineOp, defineVjp, requireDtype, type Tensor, type TensorSpec } from '../graph.js'
import { shapeError } from '../shape.js'
import { add, mul, reciprocal, sqrt, sub } from './elementwise.js'
import { mean, sumTo } from './reduce.js'

const rmsNormOp = defineOp({
  name: 'rmsNorm',
  infer(inputs): TensorSpec[] {
    const [x, weight] = inputs as [Tensor, Tensor]
    requireDtype('rmsNorm', inputs, ['f32'])
    if (weight.shape.length !== 1 || weight.shape[0] !== x.shape[x.shape.length - 1]) {
      throw shapeError('rmsNorm', [x.shape, weight.shape], 'a weight for every element of the last axis')
    }
    return [x, { shape: [...x.shape.slice(0, -1), 1], dtype: 'f32' }]
  },
  decompose([x, weight], attrs) {
    const invStd = reciprocal(sqrt(add(mean(mul(x!, x!), -1, { keepDims: true }), attrs['eps'] as number)))
    return [mul(mul(x!, invStd), weight!), invStd]
  },
})

// with r = invStd and g = dy * weight:  dx = r (g - x r^2 mean(g x)),  dweight = sum over rows of dy x r
defineVjp('rmsNorm', ({ grads, inputs, outputs, needs }) => {
  const [x, weight] = inputs as [Tensor, Tensor]
  const dy = grads[0]!
  const r = outputs[1]!
  const dx = () => {
    const g = mul(dy, weight)
    const slope = mul(mul(r, r), mean(mul(g, x), -1, { keepDims: true }))
    return mul(r, sub(g, mul(x, slope)))
  }
  return [needs[0] ? dx() : null, needs[1] ? sumTo(mul(dy, mul(x, r)), weight.shape) : null]
})

/** RMSNorm(x) = weight * x / sqrt(mean(x^2) + eps) over the last axis (Zhang and Sennrich, arXiv 1910.07467). */
export function rmsNorm(x: Tensor, weight: Tensor, eps: number): Tensor {
  return applyOp(rmsNormOp, [x, weight], { eps })[0]!
}
