/** Rematerialisation: compute a segment again in the backward pass instead of keeping its activations. */
import { internal } from '../util/errors.js'
import { vectorJacobian } from './autograd.js'
import { defineOp, defineVjp, makeNode, type Node, Tensor, topologicalOrder } from './graph.js'
import { input } from './leaf.js'
import { alias, barrier } from './ops/barrier.js'
import { substitute } from './substitute.js'

/** `remat` is replaced by its body when a program is lowered; no engine meets it. */
defineOp({ name: 'remat', infer: () => [] })

/**
 * `fn(...inputs)` whose inner activations are not kept for the gradient: only the inputs are, and the segment is computed
 * a second time when its gradient is due (Chen et al., arXiv 1604.06174). The result is the same graph otherwise.
 * Tensors that `fn` uses from outside (weights) get their gradients too.
 */
export function remat(fn: (...inputs: Tensor[]) => Tensor[], inputs: readonly Tensor[]): Tensor[] {
  const placeholders = inputs.map((t, i) => input(`remat.${i}`, t.shape, t.dtype))
  const results = fn(...placeholders)
  const captured = capturedBy(results, placeholders)
  const node = makeNode('remat', [...inputs, ...captured], { inputs: inputs.length }, results, {
    kind: 'body',
    parameters: [...placeholders, ...captured],
    results,
  })
  return results.map((_, i) => new Tensor(node, i))
}

defineVjp('remat', ({ inputs, outputs, grads, attrs, needs }) => {
  const payload = outputs[0]!.node.payload
  if (payload?.kind !== 'body') throw internal('a remat node without a body')
  const due = grads.find(g => g !== null)!
  // what the segment reads from outside is not recomputed, but must not be differentiated beyond: that is the caller's part
  const again = inputs.map((t, i) => (i < (attrs['inputs'] as number) ? barrier(t, due) : alias(t)))
  const results = substitute(payload.results, payload.parameters, again)
  const wanted = again.filter((_, i) => needs[i])
  const found = vectorJacobian(results, grads, wanted)
  let next = 0
  return needs.map(need => (need ? found[next++]! : null))
})

/** Tensors from outside that the nodes depending on the placeholders read, and results that depend on none of these. */
function capturedBy(results: readonly Tensor[], placeholders: readonly Tensor[]): Tensor[] {
  const dependent = new Set<Node>(placeholders.map(t => t.node))
  const captured: Tensor[] = []
  const seen = new Set<string>()
  const capture = (t: Tensor) => {
    const key = `${t.node.id}.${t.index}`
    if (dependent.has(t.node) || seen.has(key)) return
    seen.add(key)
    captured.push(t)
  }
  for (const node of topologicalOrder(results)) {
    if (!node.inputs.some(t => dependent.has(t.node))) continue
    dependent.add(node)
    for (const t of node.inputs) capture(t)
  }
  for (const t of results) capture(t)
  return captured
}
