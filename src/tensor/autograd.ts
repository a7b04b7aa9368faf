/** Reverse-mode differentiation, graph to graph. */
import './gradients.js'
import { internal, LabError } from '../util/errors.js'
import { type Node, Tensor, topologicalOrder, vjpOf } from './graph.js'
import { add } from './ops/elementwise.js'
import { ones, zeros } from './ops/movement.js'
import { equalShapes, formatShape, sizeOf } from './shape.js'

/**
 * Gradients of a scalar by each of `wrt`, as new graph, in f32 whatever the dtype of the tensor. Only what leads from `wrt` to the loss is differentiated:
 * frozen inputs cost nothing, and the backward pass stops at the lowest tensor of `wrt`. A tensor that the loss does not
 * depend on gets zeros.
 * @throws LabError SHAPE when the loss is not a scalar; NO_GRADIENT when the path holds an op without a gradient
 */
export function grad(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (sizeOf(loss.shape) !== 1) {
    throw new LabError(
      'SHAPE',
      `grad: the loss has shape ${formatShape(loss.shape)}; expected a scalar, try sum() or mean()`,
    )
  }
  if (loss.dtype !== 'f32') throw new LabError('DTYPE', `grad: the loss is ${loss.dtype}; expected f32`)
  return vectorJacobian([loss], [ones(loss.shape)], wrt).map((g, i) => g ?? zeros(wrt[i]!.shape))
}

/** Sum over outputs of seed^T (d output / d wrt), for each of `wrt`; null where no output depends on it. */
export function vectorJacobian(
  outputs: readonly Tensor[],
  seeds: readonly (Tensor | null)[],
  wrt: readonly Tensor[],
): (Tensor | null)[] {
  const targets = new Set(wrt.map(t => t.node))
  const order = topologicalOrder(outputs)
  const reaches = new Set<Node>()
  for (const node of order) {
    if (targets.has(node) || node.inputs.some(t => reaches.has(t.node))) reaches.add(node)
  }
  const gradients = new Map<Node, (Tensor | null)[]>()
  outputs.forEach((out, i) => {
    if (seeds[i] && reaches.has(out.node)) accumulate(gradients, out, seeds[i])
  })
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]!
    const grads = gradients.get(node)
    if (grads && reaches.has(node)) propagate(node, grads, reaches, gradients)
  }
  return wrt.map(t => gradients.get(t.node)?.[t.index] ?? null)
}

function propagate(
  node: Node,
  grads: readonly (Tensor | null)[],
  reaches: ReadonlySet<Node>,
  gradients: Map<Node, (Tensor | null)[]>,
): void {
  const needs = node.inputs.map(t => reaches.has(t.node))
  if (!needs.some(Boolean)) return
  const rule = vjpOf(node.op)
  if (!rule) {
    throw new LabError(
      'NO_GRADIENT',
      `grad: ${node.op} has no gradient; keep it out of the path from the parameters to the loss`,
    )
  }
  const outputs = node.outputs.map((_, k) => new Tensor(node, k))
  const inputGrads = rule({ inputs: node.inputs, outputs, grads, attrs: node.attrs, needs })
  node.inputs.forEach((t, k) => {
    const g = inputGrads[k]
    if (g && needs[k]) accumulate(gradients, t, g)
  })
}

function accumulate(gradients: Map<Node, (Tensor | null)[]>, t: Tensor, g: Tensor): void {
  if (!equalShapes(g.shape, t.shape)) {
    throw internal(`gradient of ${t.node.op} has shape ${formatShape(g.shape)}, the value ${formatShape(t.shape)}`)
  }
  let list = gradients.get(t.node)
  if (!list) gradients.set(t.node, (list = t.node.outputs.map(() => null)))
  const before = list[t.index]
  list[t.index] = before ? add(before, g) : g
}
