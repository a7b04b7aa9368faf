import type { TensorSpec } from '../../tensor/graph.js'
import type { ProgramNode, ProgramSpec } from '../../tensor/lower.js'

type Producers = ReadonlyMap<number, ProgramNode>

/**
 * The program with every `linearCrossEntropyGrad` as `linearCrossEntropyWithGrad`, whose outputs are `[loss, dx, dWeight]`. It takes
 * the place of the forward op of the same operands too, so that each chunk of logits is computed once for both directions; only
 * where the incoming gradient depends on that loss itself do both stay.
 */
export function fuseCrossEntropy(spec: ProgramSpec): ProgramSpec {
  const values: TensorSpec[] = [...spec.values]
  let nodes = spec.nodes
  for (const node of spec.nodes) {
    if (node.op !== 'linearCrossEntropyGrad') continue
    const forward = nodes.find(other => isForwardOf(other, node))
    // of the nodes as they have become: an earlier join may have made its loss wait for what this one would give
    const joins = forward !== undefined && !ancestorsOf(node, producersOf(nodes)).has(forward)
    const loss = joins ? forward.outputs[0]! : values.push({ shape: values[node.inputs[2]!]!.shape, dtype: 'f32' }) - 1
    const joined = { ...node, op: 'linearCrossEntropyWithGrad', outputs: [loss, ...node.outputs] }
    nodes = nodes.filter(other => !joins || other !== forward).map(other => (other === node ? joined : other))
  }
  return nodes === spec.nodes ? spec : { ...spec, values, nodes: ordered(nodes) }
}

function isForwardOf(other: ProgramNode, { inputs }: ProgramNode): boolean {
  return other.op === 'linearCrossEntropy' && other.inputs.every((value, i) => value === inputs[i])
}

function producersOf(nodes: readonly ProgramNode[]): Producers {
  return new Map(nodes.flatMap(node => node.outputs.map(value => [value, node] as const)))
}

function ancestorsOf(node: ProgramNode, producers: Producers): Set<ProgramNode> {
  const found = new Set<ProgramNode>()
  const stack = [node]
  for (let next = stack.pop(); next; next = stack.pop()) {
    for (const value of next.inputs) {
      const from = producers.get(value)
      if (!from || found.has(from)) continue
      found.add(from)
      stack.push(from)
    }
  }
  return found
}

/** Producers before users, otherwise in the order given; an explicit stack, because programs are deep. */
function ordered(nodes: readonly ProgramNode[]): ProgramNode[] {
  const producers = producersOf(nodes)
  const placed = new Set<ProgramNode>()
  for (const root of nodes) {
    const stack = [root]
    while (stack.length > 0) {
      const node = stack[stack.length - 1]!
      const waiting = node.inputs.map(value => producers.get(value)).filter(from => from && !placed.has(from))
      for (const from of waiting.reverse()) stack.push(from!)
      if (waiting.length > 0) continue
      placed.add(node)
      stack.pop()
    }
  }
  return [...placed]
}
