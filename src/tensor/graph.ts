import { internal, LabError } from '../util/errors.js'
import type { DType, HostArray } from './dtype.js'
import { formatShape, type Shape } from './shape.js'

/** Shape and element type: all that is known of a value before it is computed. */
export interface TensorSpec {
  readonly shape: Shape
  readonly dtype: DType
}

/** Parameters of an op that are not tensors; plain data, so that a graph can be hashed and sent to another thread. */
export type Attrs = Readonly<Record<string, number | boolean | string | null | readonly number[]>>

/** One operation of the immutable graph. Nothing runs when a node is made: only shapes and types are worked out. */
export interface Node {
  readonly id: number
  readonly op: string
  readonly inputs: readonly Tensor[]
  readonly attrs: Attrs
  readonly outputs: readonly TensorSpec[]
  /** What only a leaf or a `remat` carries: host data, the variable, or the recomputed body. */
  readonly payload?: Payload
}

export type Payload =
  | { readonly kind: 'data'; readonly data: HostArray }
  | { readonly kind: 'input'; readonly name: string }
  | { readonly kind: 'variable'; readonly variable: object }
  | { readonly kind: 'body'; readonly parameters: readonly Tensor[]; readonly results: readonly Tensor[] }

/**
 * A value of the lazy graph: output `index` of `node`. Immutable and cheap; holds no numbers. The fluent methods
 * (`t.matmul(w).silu()`) are installed by `fluent.ts` so that op files need not know each other.
 */
export class Tensor {
  constructor(
    readonly node: Node,
    readonly index: number = 0,
  ) {}

  get shape(): Shape {
    return this.node.outputs[this.index]!.shape
  }

  get dtype(): DType {
    return this.node.outputs[this.index]!.dtype
  }

  get rank(): number {
    return this.shape.length
  }

  toString(): string {
    return `Tensor(${this.dtype} ${formatShape(this.shape)}, ${this.node.op})`
  }
}

let nextId = 0

export function makeNode(
  op: string,
  inputs: readonly Tensor[],
  attrs: Attrs,
  outputs: readonly TensorSpec[],
  payload?: Payload,
): Node {
  return payload ? { id: nextId++, op, inputs, attrs, outputs, payload } : { id: nextId++, op, inputs, attrs, outputs }
}

/**
 * Everything the graph knows about one kind of op. A *plain* op is run by every engine; a *composite* op also says how
 * it decomposes into plain ops, for engines that have no kernel of their own for it.
 */
export interface OpDef {
  readonly name: string
  /** Shapes and types of the outputs; throws when the inputs do not fit. */
  infer(inputs: readonly TensorSpec[], attrs: Attrs): readonly TensorSpec[]
  /** The same outputs from plain ops (or simpler composites). */
  decompose?(inputs: readonly Tensor[], attrs: Attrs): readonly Tensor[]
}

/**
 * Vector-Jacobian product, graph to graph: the gradients of the inputs, given those of the outputs. Null (and nothing
 * built) for inputs whose gradient nobody asked for or that have none.
 */
export type Vjp = (context: VjpContext) => readonly (Tensor | null)[]

export interface VjpContext {
  readonly inputs: readonly Tensor[]
  readonly outputs: readonly Tensor[]
  /** Gradient of the loss by each output; null where the output does not influence the loss. */
  readonly grads: readonly (Tensor | null)[]
  readonly attrs: Attrs
  /** Which inputs a gradient is asked for. */
  readonly needs: readonly boolean[]
}

const registry = new Map<string, OpDef>()
const vjps = new Map<string, Vjp>()

/** Registers an op; its name must be new. */
export function defineOp(def: OpDef): OpDef {
  if (registry.has(def.name)) throw internal(`op ${def.name} is defined twice`)
  registry.set(def.name, def)
  return def
}

export function opDef(name: string): OpDef {
  const def = registry.get(name)
  if (!def) throw internal(`no op named ${name}`)
  return def
}

/** Registers the gradient of an op. Kept apart from its definition because gradients use ops of every family. */
export function defineVjp(name: string, vjp: Vjp): void {
  if (vjps.has(name)) throw internal(`the gradient of ${name} is defined twice`)
  vjps.set(name, vjp)
}

/** The gradient rule of an op, or undefined when it is not differentiable. */
export function vjpOf(name: string): Vjp | undefined {
  return vjps.get(name)
}

/** Names of all registered ops. */
export function opNames(): string[] {
  return [...registry.keys()]
}

/** A node of a registered op and its outputs as tensors. */
export function applyOp(def: OpDef, inputs: readonly Tensor[], attrs: Attrs = {}): Tensor[] {
  const node = makeNode(def.name, inputs, attrs, def.infer(inputs, attrs))
  return node.outputs.map((_, i) => new Tensor(node, i))
}

/** {@link applyOp} for the many ops with a single output. */
export function apply(def: OpDef, inputs: readonly Tensor[], attrs: Attrs = {}): Tensor {
  return applyOp(def, inputs, attrs)[0]!
}

/** Refuses operands of another element type than the op works on. */
export function requireDtype(op: string, specs: readonly TensorSpec[], allowed: readonly DType[]): void {
  for (const spec of specs) {
    if (!allowed.includes(spec.dtype)) {
      const got = specs.map(s => `${s.dtype} ${formatShape(s.shape)}`).join(' and ')
      throw new LabError('DTYPE', `${op}: expected ${allowed.join(' or ')}, got ${got}; convert with cast()`)
    }
  }
}

/** Nodes that the tensors depend on, inputs before users (iterative: graphs are thousands of nodes deep). */
export function topologicalOrder(roots: readonly Tensor[]): Node[] {
  const order: Node[] = []
  const done = new Set<Node>()
  const stack: { node: Node; next: number }[] = []
  for (const root of roots) {
    if (!done.has(root.node)) stack.push({ node: root.node, next: 0 })
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!
      const input = top.node.inputs[top.next++]
      if (input === undefined) {
        stack.pop()
        if (!done.has(top.node)) {
          done.add(top.node)
          order.push(top.node)
        }
      } else if (!done.has(input.node)) {
        stack.push({ node: input.node, next: 0 })
      }
    }
  }
  return order
}
