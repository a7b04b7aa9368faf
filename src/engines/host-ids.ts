/** Ids that a program takes from the host, looked at before it runs, for devices that read another row, or break down, instead of refusing. */
import type { HostArray } from '../tensor/dtype.js'
import type { ProgramNode, ProgramSpec } from '../tensor/lower.js'
import { checkId, evaluate, type Value } from './reference/kernels.js'

/** For each op that takes ids: which operand they are, and how many rows they choose from. */
const idOperands: Readonly<Record<string, { index: number; size(node: ProgramNode, spec: ProgramSpec): number }>> = {
  gather: { index: 1, size: ({ inputs }, { values }) => values[inputs[0]!]!.shape[0]! },
  gatherLast: { index: 1, size: ({ inputs }, { values }) => values[inputs[0]!]!.shape.at(-1)! },
  scatterAdd: { index: 0, size: ({ outputs }, { values }) => values[outputs[0]!]!.shape[0]! },
  update: { index: 2, size: ({ outputs, attrs }, { values }) => values[outputs[0]!]!.shape[attrs['axis'] as number]! },
}

/**
 * What the ids of a program are made of, as far as that is inputs and constants of whole numbers: it is computed on the host
 * too, so that ids are judged as the device gets them (of targets that are masked before they are looked up, only what is
 * left). Ids made from variables or from floats are not looked at.
 */
export class HostIds {
  readonly #spec: ProgramSpec
  readonly #steps: readonly ProgramNode[]
  readonly #users: readonly ProgramNode[]

  constructor(spec: ProgramSpec) {
    this.#spec = spec
    const isWhole = (value: number) => ['i32', 'bool'].includes(spec.values[value]!.dtype)
    const known = new Set(spec.inputs.map(({ value }) => value).filter(isWhole))
    const computed: ProgramNode[] = []
    for (const node of spec.nodes) {
      if (!node.outputs.every(isWhole) || !node.inputs.every(value => known.has(value))) continue
      computed.push(node)
      for (const value of node.outputs) known.add(value)
    }
    const idsOf = (node: ProgramNode) => node.inputs[idOperands[node.op]!.index]!
    this.#users = spec.nodes.filter(node => idOperands[node.op] && known.has(idsOf(node)))
    const needed = new Set(this.#users.map(idsOf))
    const steps: ProgramNode[] = []
    for (const node of computed.reverse()) {
      if (!node.outputs.some(value => needed.has(value))) continue
      steps.unshift(node)
      for (const value of node.inputs) needed.add(value)
    }
    this.#steps = steps
  }

  /** @throws LabError ENGINE naming the op and the id that is outside its rows */
  check(inputs: readonly HostArray[]): void {
    if (this.#users.length === 0) return
    const { values: specs } = this.#spec
    const values = new Map<number, Value>()
    this.#spec.inputs.forEach(({ value }, i) => {
      if (inputs[i] instanceof Int32Array || inputs[i] instanceof Uint8Array)
        values.set(value, { ...specs[value]!, data: Float64Array.from(inputs[i]!) })
    })
    for (const { op, inputs: operands, attrs, outputs } of this.#steps) {
      const given = operands.map(value => values.get(value)!)
      values.set(outputs[0]!, evaluate(op, given, attrs, specs[outputs[0]!]!))
    }
    for (const node of this.#users) {
      const { index, size } = idOperands[node.op]!
      for (const id of values.get(node.inputs[index]!)!.data) checkId(node.op, id, size(node, this.#spec))
    }
  }
}
