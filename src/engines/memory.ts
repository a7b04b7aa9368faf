import { bytesPerElement } from '../tensor/dtype.js'
import type { ProgramNode, ProgramSpec } from '../tensor/lower.js'
import { equalShapes, sizeOf } from '../tensor/shape.js'
import { inPlaceUpdates } from './in-place.js'

/** Ops whose result is their first operand's memory under another shape. */
const views = new Set(['reshape'])

/** Ops that may write over an operand of the same size that nobody needs any more. */
const reusing = new Set([
  'add',
  'sub',
  'mul',
  'div',
  'neg',
  'exp',
  'log',
  'sqrt',
  'reciprocal',
  'sigmoid',
  'tanh',
  'silu',
  'softmax',
  'where',
  'maximum',
  'minimum',
])

/**
 * Bytes of the intermediate values that are alive at once at the worst moment of a run, when nodes run in the order of the
 * program and memory is given back after the last use. Inputs and variables are not counted.
 */
export function peakActivationBytes(spec: ProgramSpec): number {
  const root = viewRoots(spec)
  const bytes = (value: number) => sizeOf(spec.values[value]!.shape) * bytesPerElement[spec.values[value]!.dtype]
  const uses = new Map<number, number>()
  const kept = new Set([...spec.outputs, ...spec.updates.map(u => u.value)].map(root))
  for (const node of spec.nodes)
    for (const value of node.inputs) uses.set(root(value), (uses.get(root(value)) ?? 0) + 1)
  const sizes = new Map<number, number>()
  let live = 0
  let peak = 0
  for (const node of spec.nodes) {
    if (!views.has(node.op)) {
      const freed = reusedOperand(node, spec, root, uses, sizes, kept)
      for (const value of node.outputs) {
        sizes.set(value, bytes(value))
        live += bytes(value)
      }
      if (freed !== null) live -= sizes.get(freed)!
      peak = Math.max(peak, live)
      if (freed !== null) live += sizes.get(freed)!
    }
    for (const value of node.inputs) {
      const left = uses.get(root(value))! - 1
      uses.set(root(value), left)
      if (left === 0 && !kept.has(root(value))) live -= sizes.get(root(value)) ?? 0
    }
    for (const value of node.outputs)
      if (root(value) === value && !uses.has(value) && !kept.has(value)) live -= sizes.get(value) ?? 0
  }
  return peak
}

/** Bytes of second copies that updates need because they may not overwrite their variable. */
export function spareVariableBytes(spec: ProgramSpec): number {
  const inPlace = inPlaceUpdates(spec)
  return spec.updates.reduce((total, { value }, i) => {
    return total + (inPlace[i] ? 0 : sizeOf(spec.values[value]!.shape) * bytesPerElement[spec.values[value]!.dtype])
  }, 0)
}

function viewRoots(spec: ProgramSpec): (value: number) => number {
  const from = new Map<number, number>()
  for (const node of spec.nodes)
    if (views.has(node.op)) from.set(node.outputs[0]!, from.get(node.inputs[0]!) ?? node.inputs[0]!)
  return value => from.get(value) ?? value
}

function reusedOperand(
  node: ProgramNode,
  spec: ProgramSpec,
  root: (value: number) => number,
  uses: ReadonlyMap<number, number>,
  sizes: ReadonlyMap<number, number>,
  kept: ReadonlySet<number>,
): number | null {
  if (!reusing.has(node.op)) return null
  const { shape } = spec.values[node.outputs[0]!]!
  const fits = (value: number) =>
    uses.get(root(value)) === 1 &&
    sizes.has(root(value)) &&
    !kept.has(root(value)) &&
    equalShapes(spec.values[value]!.shape, shape)
  const found = node.inputs.find(fits)
  return found === undefined ? null : root(found)
}
