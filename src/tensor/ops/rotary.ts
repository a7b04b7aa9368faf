import { apply, defineOp, defineVjp, requireDtype, type Tensor } from '../graph.js'
import { shapeError } from '../shape.js'
import { add, mul, neg, sub } from './elementwise.js'
import { concat, slice } from './movement.js'

const rotaryOp = defineOp({
  name: 'rotary',
  infer(inputs) {
    const [x, cos, sin] = inputs as [Tensor, Tensor, Tensor]
    requireDtype('rotary', inputs, ['f32'])
    const [time, half] = [x.shape[x.shape.length - 2], (x.shape[x.shape.length - 1] ?? 0) / 2]
    const fits = [cos, sin].every(t => t.shape.length === 2 && t.shape[0] === time && t.shape[1] === half)
    if (x.shape.length !== 4 || !fits) {
      throw shapeError('rotary', [x.shape, cos.shape, sin.shape], 'x [B, H, T, D] and tables [T, D/2]')
    }
    return [x]
  },
  decompose([x, cos, sin]) {
    const half = x!.shape[3]! / 2
    const a = slice(x!, 3, 0, half)
    const b = slice(x!, 3, half)
    return [concat([sub(mul(a, cos!), mul(b, sin!)), add(mul(b, cos!), mul(a, sin!))], 3)]
  },
})

// a rotation: its transpose turns the other way
defineVjp('rotary', ({ grads, inputs }) => [rotary(grads[0]!, inputs[1]!, neg(inputs[2]!)), null, null])

/**
 * Rotary position embedding (Su et al., arXiv 2104.09864) in the halves layout of Hugging Face: element i of the first
 * half of each head turns with element i of the second.
 * @param x `[B, H, T, D]`
 * @param cos `[T, D/2]`, the cosine of each position's angles; `sin` likewise. No gradient flows into the tables.
 */
export function rotary(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  return apply(rotaryOp, [x, cos, sin])
}
