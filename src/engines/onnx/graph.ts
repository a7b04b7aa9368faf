/** What is known of an emitted ONNX graph before it runs: enough to say in which order and in how much memory. */

/** Size of a value. */
export interface OnnxValue {
  readonly shape: readonly number[]
  readonly bytesPerElement: number
}

export interface OnnxGraphNode {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
}

export interface OnnxGraph {
  /** In the order of emission, which is topological. */
  readonly nodes: readonly OnnxGraphNode[]
  /** Every value that a node makes, by name; inputs and constants are not in it. */
  readonly values: ReadonlyMap<string, OnnxValue>
  /** Values that are written into memory of the caller. */
  readonly results: ReadonlySet<string>
}

export function bytesOf({ shape, bytesPerElement }: OnnxValue): number {
  return shape.reduce((n, d) => n * d, bytesPerElement)
}

/**
 * The order in which onnxruntime runs the nodes, as indices: depth first from the nodes that nobody reads, back to what
 * they need. The last node comes first, and of several inputs the one that was emitted last (GraphViewer's default order).
 */
export function runOrder({ nodes }: OnnxGraph): number[] {
  const producer = new Map<string, number>()
  for (const [i, node] of nodes.entries()) for (const name of node.outputs) producer.set(name, i)
  const needs = nodes.map(({ inputs }) =>
    [...new Set(inputs.flatMap(name => producer.get(name) ?? []))].sort((a, b) => a - b),
  )
  const isRead = new Set(needs.flat())
  const stack = nodes.flatMap((_, i) => (isRead.has(i) ? [] : [i]))
  const order: number[] = []
  const seen = new Set<number>()
  // a node is pushed a second time, as its complement, below its inputs: popped again, it is its turn
  while (stack.length > 0) {
    const top = stack.pop()!
    if (top < 0) {
      order.push(~top)
      continue
    }
    if (seen.has(top)) continue
    seen.add(top)
    stack.push(~top)
    for (const i of needs[top]!) if (!seen.has(i)) stack.push(i)
  }
  return order
}
