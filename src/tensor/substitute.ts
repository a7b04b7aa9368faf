import { makeNode, type Node, Tensor, topologicalOrder } from './graph.js'

/** The same results computed from other parameters: nodes between the two are rebuilt, all others shared. */
export function substitute(
  results: readonly Tensor[],
  parameters: readonly Tensor[],
  values: readonly Tensor[],
): Tensor[] {
  const replaced = new Map<Node, (index: number) => Tensor>()
  const byNode = new Map<Node, Map<number, Tensor>>()
  parameters.forEach((p, i) => {
    if (!byNode.has(p.node)) byNode.set(p.node, new Map())
    byNode.get(p.node)!.set(p.index, values[i]!)
  })
  const now = (t: Tensor) => byNode.get(t.node)?.get(t.index) ?? replaced.get(t.node)?.(t.index) ?? t
  for (const node of topologicalOrder(results)) {
    if (byNode.has(node)) continue
    const inputs = node.inputs.map(now)
    if (inputs.some((t, i) => t !== node.inputs[i])) {
      const copy = makeNode(node.op, inputs, node.attrs, node.outputs, node.payload)
      replaced.set(node, index => new Tensor(copy, index))
    }
  }
  return results.map(now)
}
