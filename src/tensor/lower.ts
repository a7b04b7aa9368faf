/** From the graph of tensors to a flat program: composites decomposed, equal subexpressions merged, dead nodes gone. */
import { sha256 } from '../util/canonical-json.js'
import { internal } from '../util/errors.js'
import type { HostArray } from './dtype.js'
import { type Attrs, type Node, opDef, type Tensor, type TensorSpec } from './graph.js'
import { spelledJson } from './spelled.js'
import { substitute } from './substitute.js'

/** One op of a lowered program; values are numbers. */
export interface ProgramNode {
  readonly op: string
  readonly attrs: Attrs
  readonly inputs: readonly number[]
  readonly outputs: readonly number[]
}

/** A lowered program: plain data in topological order, ready to be sent to another thread or process. */
export interface ProgramSpec {
  /** Shape and dtype of every value. */
  readonly values: readonly TensorSpec[]
  readonly nodes: readonly ProgramNode[]
  /** Values given at each run. */
  readonly inputs: readonly { readonly name: string; readonly value: number }[]
  /** Values read from variables; slot i is bound to a variable at run time, so equal programs are compiled once. */
  readonly variables: readonly number[]
  readonly outputs: readonly number[]
  /** After the run, the variable of `slot` holds `value`. */
  readonly updates: readonly { readonly slot: number; readonly value: number }[]
}

export interface Lowered {
  readonly spec: ProgramSpec
  /** Hash of the structure: equal keys mean the same program. */
  readonly key: string
  /** Host data of the inputs that are leaves of the graph, by value. */
  readonly data: ReadonlyMap<number, HostArray>
  /** The variable object of each slot. */
  readonly variables: readonly object[]
}

export interface Update {
  /** The leaf of the variable that is written. */
  readonly variable: Tensor
  readonly value: Tensor
}

/**
 * Lowers outputs and updates for an engine.
 * @param nativeOps composite ops that the engine runs itself; all others are decomposed
 */
export function lower(outputs: readonly Tensor[], updates: readonly Update[], nativeOps: ReadonlySet<string>): Lowered {
  return new Lowering(nativeOps).run(outputs, updates)
}

class Lowering {
  readonly #values: TensorSpec[] = []
  readonly #nodes: ProgramNode[] = []
  readonly #inputs: { name: string; value: number }[] = []
  readonly #slots: number[] = []
  readonly #variables: object[] = []
  readonly #data = new Map<number, HostArray>()
  readonly #done = new Map<Node, readonly number[]>()
  readonly #merged = new Map<string, readonly number[]>()

  constructor(readonly nativeOps: ReadonlySet<string>) {}

  run(outputs: readonly Tensor[], updates: readonly Update[]): Lowered {
    const results = outputs.map(t => this.#valueOf(t))
    const written = updates.map(({ variable, value }) => ({
      value: this.#valueOf(value),
      slot: this.#slotOf(variable),
    }))
    const spec: ProgramSpec = {
      values: this.#values,
      nodes: liveNodes(this.#nodes, [...results, ...written.map(update => update.value)]),
      inputs: this.#inputs,
      variables: this.#slots,
      outputs: results,
      updates: written,
    }
    return { spec, key: sha256(spelledJson(spec)), data: this.#data, variables: this.#variables }
  }

  #slotOf(variable: Tensor): number {
    return this.#slots.indexOf(this.#valueOf(variable))
  }

  /** The value of a tensor, its inputs first; an explicit stack, because graphs are deeper than the call stack. */
  #valueOf(root: Tensor): number {
    const stack: { node: Node; expansion?: readonly Tensor[] }[] = [{ node: root.node }]
    while (stack.length > 0) {
      const frame = stack[stack.length - 1]!
      if (this.#done.has(frame.node)) {
        stack.pop()
        continue
      }
      frame.expansion ??= this.#expand(frame.node)
      const waiting = (frame.expansion ?? frame.node.inputs).filter(t => !this.#done.has(t.node))
      if (waiting.length > 0) {
        for (let i = waiting.length - 1; i >= 0; i--) stack.push({ node: waiting[i]!.node })
        continue
      }
      stack.pop()
      const { expansion } = frame
      const values = expansion ? expansion.map(t => this.#done.get(t.node)![t.index]!) : this.#emit(frame.node)
      this.#done.set(frame.node, values)
    }
    return this.#done.get(root.node)![root.index]!
  }

  /** What the node stands for, when it is not itself an op of the program. */
  #expand(node: Node): readonly Tensor[] | undefined {
    if (node.op === 'alias') return node.inputs
    if (node.payload?.kind === 'body') return inlined(node)
    const def = opDef(node.op)
    if (!def.decompose || this.nativeOps.has(node.op)) return undefined
    return def.decompose(node.inputs, node.attrs)
  }

  #emit(node: Node): readonly number[] {
    if (node.payload) return [this.#leaf(node)]
    const inputs = node.inputs.map(t => this.#done.get(t.node)![t.index]!)
    const key = `${node.op} ${inputs.join()} ${spelledJson(node.attrs)}`
    const equal = this.#merged.get(key)
    if (equal) return equal
    const outputs = node.outputs.map(spec => this.#newValue(spec))
    this.#nodes.push({ op: node.op, attrs: node.attrs, inputs, outputs })
    this.#merged.set(key, outputs)
    return outputs
  }

  #leaf(node: Node): number {
    const { payload } = node
    if (payload?.kind === 'variable') {
      const known = this.#variables.indexOf(payload.variable)
      if (known >= 0) return this.#slots[known]!
      this.#variables.push(payload.variable)
      this.#slots.push(this.#newValue(node.outputs[0]!))
      return this.#slots[this.#slots.length - 1]!
    }
    if (payload?.kind !== 'data' && payload?.kind !== 'input') throw internal(`a leaf without a payload: ${node.op}`)
    const name = payload.kind === 'input' ? payload.name : `data.${this.#data.size}`
    const value = this.#newValue(node.outputs[0]!)
    if (payload.kind === 'data') this.#data.set(value, payload.data)
    this.#inputs.push({ name, value })
    return value
  }

  #newValue({ shape, dtype }: TensorSpec): number {
    return this.#values.push({ shape: [...shape], dtype }) - 1
  }
}

/** The nodes that results depend on. A composite is decomposed whole, though perhaps only one of its outputs is asked for. */
function liveNodes(nodes: readonly ProgramNode[], results: readonly number[]): ProgramNode[] {
  const needed = new Set(results)
  const live: ProgramNode[] = []
  for (let i = nodes.length - 1; i >= 0; i--) {
    const node = nodes[i]!
    if (!node.outputs.some(value => needed.has(value))) continue
    live.push(node)
    for (const value of node.inputs) needed.add(value)
  }
  return live.reverse()
}

/** A remat segment in the forward direction is just its body, fed with the real inputs. */
function inlined(node: Node): readonly Tensor[] {
  if (node.payload?.kind !== 'body') throw internal('not a remat node')
  return substitute(node.payload.results, node.payload.parameters, node.inputs)
}
