import { apply, defineOp, defineVjp, requireDtype, type Tensor } from '../graph.js'
import { add, div, exp, log, mul, sub } from './elementwise.js'
import { reshape } from './movement.js'
import { max, sum } from './reduce.js'

const softmaxOp = defineOp({
  name: 'softmax',
  infer(inputs) {
    requireDtype('softmax', inputs, ['f32'])
    return [inputs[0]!]
  },
  decompose([x]) {
    const e = exp(sub(x!, max(x!, -1, { keepDims: true })))
    return [div(e, sum(e, -1, { keepDims: true }))]
  },
})

defineVjp('softmax', ({ grads, outputs }) => {
  const [y] = outputs
  const g = grads[0]!
  return [mul(y!, sub(g, sum(mul(g, y!), -1, { keepDims: true })))]
})

/** exp(x) / sum(exp(x)) over the last axis, computed without overflow. */
export function softmax(x: Tensor): Tensor {
  return apply(softmaxOp, [x])
}

/** log(sum(exp(x))) over the last axis, computed without overflow; that axis is dropped. */
export function logSumExp(x: Tensor): Tensor {
  const m = max(x, -1, { keepDims: true })
  return reshape(add(log(sum(exp(sub(x, m)), -1, { keepDims: true })), m), x.shape.slice(0, -1))
}

/** x - logSumExp(x): logarithms of the probabilities along the last axis. */
export function logSoftmax(x: Tensor): Tensor {
  return sub(x, reshape(logSumExp(x), [...x.shape.slice(0, -1), 1]))
}
