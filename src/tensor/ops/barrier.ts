import { apply, defineOp, type Tensor } from '../graph.js'

const barrierOp = defineOp({ name: 'barrier', infer: inputs => [inputs[0]!] })

/**
 * `x` unchanged, but not before `after` has been computed, and never merged with `x` by an engine's common-subexpression
 * pass: what is computed from it is computed again. Rematerialisation rests on both.
 */
export function barrier(x: Tensor, after: Tensor): Tensor {
  return apply(barrierOp, [x, after])
}

const aliasOp = defineOp({ name: 'alias', infer: inputs => [inputs[0]!] })

/** `x` as a node of its own, for the sake of differentiation; it is gone when a program is lowered. */
export function alias(x: Tensor): Tensor {
  return apply(aliasOp, [x])
}
