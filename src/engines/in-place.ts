import type { ProgramNode, ProgramSpec } from '../tensor/lower.js'
import { equalShapes } from '../tensor/shape.js'

/** Ops that read element i of an operand of the result's shape before they write element i, and never later. */
const elementwise = new Set(['add', 'sub', 'mul', 'div', 'neg', 'maximum', 'minimum', 'where', 'sqrt', 'exp', 'cast'])

/** Whether a node's result may be its operand's memory: who reads it reads the operand. */
export type IsView = (spec: ProgramSpec, node: ProgramNode) => boolean

/**
 * Which updates may write straight into the memory of the variable they replace: those whose new value is computed
 * after every other read of the old one. Any order of execution that respects the graph is then safe.
 * Returns one flag an update, in order.
 * @param isView what else than `reshape` costs an engine nothing (default: nothing)
 */
export function inPlaceUpdates(spec: ProgramSpec, isView: IsView = () => false): boolean[] {
  const views = new Set(spec.nodes.filter(node => node.op === 'reshape' || isView(spec, node)))
  const producer = new Map<number, ProgramNode>()
  const readers = new Map<number, ProgramNode[]>()
  for (const node of spec.nodes) {
    for (const value of node.outputs) producer.set(value, node)
    for (const value of node.inputs) readers.set(value, [...(readers.get(value) ?? []), node])
  }
  return spec.updates.map(({ slot, value }) => {
    const variable = spec.variables[slot]!
    const last = producer.get(value)
    const aliases = viewsOf(variable, readers, views)
    // what the run hands out of the old elements may be copied at its very end
    const isHandedOut = (view: number) =>
      spec.outputs.includes(view) || spec.updates.some(u => u.value === view && u.slot !== slot)
    if (aliases.some(isHandedOut)) return false
    if (!last) return value === variable
    const before = ancestorsOf(last, producer)
    return aliases.every(view =>
      (readers.get(view) ?? []).every(
        node => views.has(node) || before.has(node) || (node === last && readsInStep(node, view, spec)),
      ),
    )
  })
}

/** The value itself and all views of it. */
function viewsOf(
  value: number,
  readers: ReadonlyMap<number, ProgramNode[]>,
  views: ReadonlySet<ProgramNode>,
): number[] {
  const own = (readers.get(value) ?? []).filter(node => views.has(node))
  return [value, ...own.flatMap(node => viewsOf(node.outputs[0]!, readers, views))]
}

function readsInStep(node: ProgramNode, variable: number, spec: ProgramSpec): boolean {
  if (node.op === 'update') return node.inputs.indexOf(variable) === 0 && node.inputs.lastIndexOf(variable) === 0
  return elementwise.has(node.op) && equalShapes(spec.values[variable]!.shape, spec.values[node.outputs[0]!]!.shape)
}

function ancestorsOf(node: ProgramNode, producer: ReadonlyMap<number, ProgramNode>): Set<ProgramNode> {
  const found = new Set<ProgramNode>()
  const stack = [node]
  for (let next = stack.pop(); next; next = stack.pop()) {
    for (const value of next.inputs) {
      const from = producer.get(value)
      if (from && !found.has(from)) {
        found.add(from)
        stack.push(from)
      }
    }
  }
  return found
}
