/** Gradients of the plain ops. Each rule returns one gradient an input, summed back where the input was broadcast. */
import { isFloat } from './dtype.js'
import { defineVjp, type Tensor, type VjpContext } from './graph.js'
import {
  abs,
  cast,
  cos,
  div,
  equal,
  greaterOrEqual,
  lessOrEqual,
  log,
  mul,
  neg,
  pow,
  sin,
  sub,
  where,
} from './ops/elementwise.js'
import { gather, oneHot, scatterAdd, update } from './ops/indexing.js'
import { matmul } from './ops/matmul.js'
import { expand, pad, permute, reshape, slice, zeros } from './ops/movement.js'
import { sum, sumTo } from './ops/reduce.js'
import { stridesOf } from './shape.js'

/** A rule for f(x) = y with a single output: the gradient g of y to that of x. */
function unary(name: string, rule: (g: Tensor, x: Tensor, y: Tensor, context: VjpContext) => Tensor | null): void {
  defineVjp(name, context => [rule(context.grads[0]!, context.inputs[0]!, context.outputs[0]!, context)])
}

/** Rules for both operands of a broadcasting op. */
function binary(
  name: string,
  left: (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => Tensor,
  right: (g: Tensor, a: Tensor, b: Tensor, y: Tensor) => Tensor,
): void {
  defineVjp(name, ({ grads, inputs, outputs, needs }) => {
    const [a, b] = inputs as [Tensor, Tensor]
    const g = grads[0]!
    return [
      needs[0] ? sumTo(left(g, a, b, outputs[0]!), a.shape) : null,
      needs[1] ? sumTo(right(g, a, b, outputs[0]!), b.shape) : null,
    ]
  })
}

unary('neg', g => neg(g))
unary('exp', (g, _x, y) => mul(g, y))
unary('log', (g, x) => div(g, x))
unary('sqrt', (g, _x, y) => div(mul(g, 0.5), y))
unary('reciprocal', (g, _x, y) => neg(mul(g, mul(y, y))))
unary('sin', (g, x) => mul(g, cos(x)))
unary('cos', (g, x) => neg(mul(g, sin(x))))
unary('tanh', (g, _x, y) => mul(g, sub(1, mul(y, y))))
unary('sigmoid', (g, _x, y) => mul(g, mul(y, sub(1, y))))
unary('abs', (g, x) => where(equal(x, 0), 0, mul(g, div(x, abs(x)))))

binary(
  'add',
  g => g,
  g => g,
)
binary(
  'sub',
  g => g,
  g => neg(g),
)
binary(
  'mul',
  (g, _a, b) => mul(g, b),
  (g, a) => mul(g, a),
)
binary(
  'div',
  (g, _a, b) => div(g, b),
  (g, _a, b, y) => neg(div(mul(g, y), b)),
)
binary(
  'pow',
  // x^0 is 1 everywhere, so its slope is 0 at 0 too, where 0 * 0^-1 would be NaN; likewise 0^b for all b > 0
  (g, a, b) => mul(g, mul(b, pow(a, where(equal(b, 0), 1, sub(b, 1))))),
  (g, a, _b, y) => where(equal(a, 0), 0, mul(g, mul(y, log(a)))),
)
// a tie gives the whole gradient to the first operand, so that the two shares always add up to g
binary(
  'maximum',
  (g, a, b) => mul(g, cast(greaterOrEqual(a, b), 'f32')),
  (g, a, b) => where(greaterOrEqual(a, b), 0, g),
)
binary(
  'minimum',
  (g, a, b) => mul(g, cast(lessOrEqual(a, b), 'f32')),
  (g, a, b) => where(lessOrEqual(a, b), 0, g),
)

defineVjp('where', ({ grads, inputs, needs }) => {
  const [condition, a, b] = inputs as [Tensor, Tensor, Tensor]
  const g = grads[0]!
  return [
    null,
    needs[1] ? sumTo(where(condition, g, 0), a.shape) : null,
    needs[2] ? sumTo(where(condition, 0, g), b.shape) : null,
  ]
})

// gradients are f32 whatever they belong to: 16 bits are for storage, and sums of gradients need more
unary('cast', (g, x) => (isFloat(x.dtype) ? g : null))
unary('reshape', (g, x) => reshape(g, x.shape))
unary('expand', (g, x) => sumTo(g, x.shape))
unary('slice', (g, x, _y, { attrs }) => {
  const axis = attrs['axis'] as number
  return pad(g, axis, attrs['start'] as number, x.shape[axis]! - (attrs['end'] as number))
})
unary('pad', (g, x, _y, { attrs }) => {
  const before = attrs['before'] as number
  return slice(g, attrs['axis'] as number, before, before + x.shape[attrs['axis'] as number]!)
})
unary('permute', (g, _x, _y, { attrs }) => {
  const axes = attrs['axes'] as number[]
  return permute(
    g,
    axes.map((_, i) => axes.indexOf(i)),
  )
})
unary('sum', (g, x) => expand(g, x.shape))
// equal maxima share the gradient, as a symmetric subgradient
unary('max', (g, x, y, { attrs }) => {
  const mask = cast(equal(x, y), 'f32')
  return div(mul(mask, g), sum(mask, attrs['axes'] as number[], { keepDims: true }))
})

defineVjp('concat', ({ grads, inputs, attrs, needs }) => {
  const axis = attrs['axis'] as number
  let start = 0
  return inputs.map((part, i) => {
    const end = start + part.shape[axis]!
    const piece = needs[i] ? slice(grads[0]!, axis, start, end) : null
    start = end
    return piece
  })
})

defineVjp('matmul', ({ grads, inputs, attrs, needs }) => {
  const [a, b] = inputs as [Tensor, Tensor]
  const g = grads[0]!
  const transA = attrs['transA'] === true
  const transB = attrs['transB'] === true
  const alpha = attrs['alpha'] as number
  const da = () =>
    transA ? matmul(b, g, { transA: transB, transB: true, alpha }) : matmul(g, b, { transB: !transB, alpha })
  const db = () =>
    transB ? matmul(g, a, { transA: true, transB: transA, alpha }) : matmul(a, g, { transA: !transA, alpha })
  return [needs[0] ? sumTo(da(), a.shape) : null, needs[1] ? sumTo(db(), b.shape) : null]
})

defineVjp('gather', ({ grads, inputs, attrs }) => {
  const [table, ids] = inputs as [Tensor, Tensor]
  const width = stridesOf(table.shape)[0]!
  const all = reshape(grads[0]!, [-1, width])
  const paddingId = attrs['paddingId'] as number | undefined
  const rows = paddingId === undefined ? all : where(equal(reshape(ids, [-1, 1]), paddingId), 0, all)
  return [reshape(scatterAdd(reshape(ids, [-1]), rows, table.shape[0]!), table.shape), null]
})
defineVjp('scatterAdd', ({ grads, inputs }) => [null, gather(grads[0]!, inputs[0]!)])
defineVjp('gatherLast', ({ grads, inputs }) => {
  const [x, ids] = inputs as [Tensor, Tensor]
  return [mul(reshape(grads[0]!, [...ids.shape, 1]), oneHot(ids, x.shape[x.rank - 1]!)), null]
})
defineVjp('update', ({ grads, inputs, attrs, needs }) => {
  const [, rows, positions] = inputs as [Tensor, Tensor, Tensor]
  const axis = attrs['axis'] as number
  const g = grads[0]!
  const order = [axis, ...g.shape.map((_, i) => i).filter(i => i !== axis)]
  const taken = () =>
    permute(
      gather(permute(g, order), positions),
      order.map((_, i) => order.indexOf(i)),
    )
  return [needs[0] ? update(g, zeros(rows.shape), positions, axis) : null, needs[1] ? taken() : null, null]
})
defineVjp('barrier', ({ grads }) => [grads[0]!, null])
defineVjp('alias', ({ grads }) => [grads[0]!])
