import { bytesPerElement } from '../../tensor/dtype.js'
import type { WorkingBytes } from '../../tensor/engine.js'
import type { ProgramNode, ProgramSpec } from '../../tensor/lower.js'
import { sizeOf } from '../../tensor/shape.js'

/** Ops whose result is the memory of their first operand. */
const views = new Set(['reshape', 'permute', 'expand', 'slice', 'barrier'])

/** Logits that the classifier holds at a time; it has four arrays of that size: logits, probabilities, what is between them. */
const LOGITS_BYTES = { cpu: 64e6, other: 512e6 }

/** A compiled program: Python code, guards, kernels (measured: 15 to 40 kB a node). */
const NODE_BYTES = 30_000

/**
 * What runs hold when every value is kept from its node to its last reader, views being free. torch.compile fuses elementwise ops
 * and holds less; the estimate is then an upper bound.
 */
export function torchWorkingBytes(programs: readonly ProgramSpec[], device: 'cpu' | 'other'): WorkingBytes {
  return {
    intermediate: Math.max(0, ...programs.map(spec => peakBytes(spec, LOGITS_BYTES[device]))),
    spare: 0,
    programs: NODE_BYTES * programs.reduce((n, { nodes }) => n + nodes.length, 0),
  }
}

function peakBytes(spec: ProgramSpec, logitsBytes: number): number {
  const deaths = deathsOf(spec)
  let live = 0
  let peak = 0
  spec.nodes.forEach((node, at) => {
    if (!views.has(node.op)) live += bytesOf(spec, node.outputs)
    peak = Math.max(peak, live + scratchBytes(node, spec, logitsBytes))
    live -= bytesOf(spec, deaths[at]!)
  })
  return peak
}

function scratchBytes({ op, inputs }: ProgramNode, { values }: ProgramSpec, logitsBytes: number): number {
  if (!op.startsWith('linearCrossEntropy')) return 0
  const [rows = 0, vocabulary = 0] = inputs.map(value => values[value]!.shape[0] ?? 0)
  return 4 * Math.min(logitsBytes, 4 * rows * vocabulary)
}

/** For each node the values whose memory nothing reads after it; variables, inputs and results of the program are not among them. */
function deathsOf(spec: ProgramSpec): number[][] {
  const home = homesOf(spec)
  const lastUse = new Map<number, number>()
  spec.nodes.forEach(({ inputs, outputs }, at) => {
    for (const value of [...inputs, ...outputs]) lastUse.set(home.get(value) ?? value, at)
  })
  for (const value of [...spec.outputs, ...spec.updates.map(u => u.value)]) lastUse.delete(home.get(value) ?? value)
  const owned = new Set(spec.nodes.filter(({ op }) => !views.has(op)).flatMap(node => node.outputs))
  const deaths: number[][] = spec.nodes.map(() => [])
  for (const [value, at] of lastUse) if (owned.has(value)) deaths[at]!.push(value)
  return deaths
}

function bytesOf({ values }: ProgramSpec, which: readonly number[]): number {
  return which.reduce((n, value) => n + sizeOf(values[value]!.shape) * bytesPerElement[values[value]!.dtype], 0)
}

/** The value whose memory a view is. */
function homesOf({ nodes }: ProgramSpec): Map<number, number> {
  const home = new Map<number, number>()
  const viewOf = ({ op, inputs }: ProgramNode) => (views.has(op) ? inputs[0]! : undefined)
  for (const node of nodes) {
    const from = viewOf(node)
    if (from !== undefined) home.set(node.outputs[0]!, home.get(from) ?? from)
  }
  return home
}
