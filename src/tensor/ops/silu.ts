import { apply, defineOp, defineVjp, requireDtype, type Tensor } from '../graph.js'
import { add, mul, sigmoid, sub } from './elementwise.js'

const siluOp = defineOp({
  name: 'silu',
  infer(inputs) {
    requireDtype('silu', inputs, ['f32'])
    return [inputs[0]!]
  },
  decompose: ([x]) => [mul(x!, sigmoid(x!))],
})

// silu'(x) = s + x s (1 - s) = s + y (1 - s), with s = sigmoid(x)
defineVjp('silu', ({ grads, inputs, outputs }) => {
  const s = sigmoid(inputs[0]!)
  return [mul(grads[0]!, add(s, mul(outputs[0]!, sub(1, s))))]
})

/** silu(x) = x / (1 + exp(-x)), the activation inside SwiGLU. */
export function silu(x: Tensor): Tensor {
  return apply(siluOp, [x])
}

/** SwiGLU's elementwise half: silu(gate) * up. */
export function swiglu(gate: Tensor, up: Tensor): Tensor {
  return mul(silu(gate), up)
}
