import { bytesOf, type OnnxGraph, type OnnxGraphNode, runOrder } from './graph.js'

/** Ops whose result is the memory of their first operand under another shape. */
const views = new Set(['Reshape', 'Identity'])

/** Ops that may write over their first operand when nobody reads it later (measured; most elementwise ones may not). */
const inPlace = new Set(['Sigmoid', 'Tanh', 'Softmax', 'Cast', 'ScatterElements'])

/** Buffers of the size of the result that a kernel takes for itself while it runs (measured). */
const scratch: Record<string, number> = { Where: 2 }

/** What one node does to memory: takes buffers, then scratch for as long as it runs, then gives back what is dead. */
export interface BufferStep {
  readonly take: readonly { readonly buffer: number; readonly bytes: number }[]
  readonly scratchBytes: readonly number[]
  readonly free: readonly number[]
}

/**
 * Which buffers a run takes and frees, node by node, by the rules of onnxruntime's allocation planner: a value gets the
 * buffer of an operand where the kernel allows it, else that of the most recently dead value of the same shape (which then
 * was kept in between), else a new one. Results and constants live in memory of others.
 */
export function bufferSteps(graph: OnnxGraph): BufferStep[] {
  return new BufferPlanner(graph).run()
}

class BufferPlanner {
  readonly #graph: OnnxGraph
  readonly #order: readonly number[]
  /** The value whose buffer a value lives in. */
  readonly #home = new Map<string, string>()
  readonly #uses = new Map<string, number>()
  readonly #dead: string[] = []
  /** The last node, in running order, that touches the buffer of a home. */
  readonly #lastTouch = new Map<string, number>()

  constructor(graph: OnnxGraph) {
    this.#graph = graph
    this.#order = runOrder(graph)
    for (const { inputs } of graph.nodes) for (const name of inputs) this.#uses.set(name, this.#usesOf(name) + 1)
    // whoever asked for a result reads it after the run
    for (const name of graph.results) this.#uses.set(name, this.#usesOf(name) + 1)
  }

  run(): BufferStep[] {
    const { nodes, values } = this.#graph
    for (const [at, index] of this.#order.entries()) {
      const node = nodes[index]!
      for (const name of node.outputs) this.#settle(node, name)
      for (const name of [...node.inputs, ...node.outputs]) this.#lastTouch.set(this.#homeOf(name), at)
      for (const name of node.inputs) this.#release(name)
      for (const name of node.outputs) if (this.#usesOf(this.#homeOf(name)) === 0) this.#bury(this.#homeOf(name))
    }
    const numbers = new Map([...values.keys()].map((name, i) => [name, i]))
    const steps = this.#order.map(() => ({
      take: [] as BufferStep['take'][number][],
      scratchBytes: [] as number[],
      free: [] as number[],
    }))
    for (const [at, index] of this.#order.entries()) {
      const node = nodes[index]!
      for (const name of node.outputs) {
        if (this.#isOwned(name)) steps[at]!.take.push({ buffer: numbers.get(name)!, bytes: bytesOf(values.get(name)!) })
      }
      const size = bytesOf(values.get(node.outputs[0]!)!)
      for (let i = 0; i < (scratch[node.op] ?? 0); i++) steps[at]!.scratchBytes.push(size)
    }
    for (const [home, at] of this.#lastTouch) if (this.#isOwned(home)) steps[at]!.free.push(numbers.get(home)!)
    return steps
  }

  /** Gives a new value its buffer. */
  #settle(node: OnnxGraphNode, name: string): void {
    if (this.#graph.results.has(name)) return
    const home = this.#operandFor(node, name) ?? this.#deadOneFor(name)
    if (home === undefined) return
    this.#home.set(name, home)
    this.#uses.set(home, this.#usesOf(home) + this.#usesOf(name))
  }

  #operandFor(node: OnnxGraphNode, name: string): string | undefined {
    const first = node.inputs[0]
    if (first === undefined || name !== node.outputs[0]) return undefined
    const home = this.#homeOf(first)
    if (views.has(node.op)) return home
    const isLastUse = this.#isOwned(home) && this.#usesOf(home) === 1
    return inPlace.has(node.op) && isLastUse && this.#sameShape(first, name) ? home : undefined
  }

  #deadOneFor(name: string): string | undefined {
    if (this.#graph.values.get(name)!.shape.length === 0) return undefined
    const at = this.#dead.findIndex(candidate => this.#sameShape(candidate, name))
    return at < 0 ? undefined : this.#dead.splice(at, 1)[0]
  }

  #release(name: string): void {
    const home = this.#homeOf(name)
    this.#uses.set(home, this.#usesOf(home) - 1)
    if (this.#usesOf(home) === 0) this.#bury(home)
  }

  #bury(home: string): void {
    if (this.#isOwned(home)) this.#dead.unshift(home)
  }

  /** Whether a value has a buffer of its own in the arena. */
  #isOwned(name: string): boolean {
    return this.#homeOf(name) === name && this.#graph.values.has(name) && !this.#graph.results.has(name)
  }

  #sameShape(a: string, b: string): boolean {
    const [x, y] = [this.#graph.values.get(a), this.#graph.values.get(b)]
    return (
      x !== undefined && y !== undefined && x.bytesPerElement === y.bytesPerElement && x.shape.join() === y.shape.join()
    )
  }

  #homeOf(name: string): string {
    return this.#home.get(name) ?? name
  }

  #usesOf(name: string): number {
    return this.#uses.get(name) ?? 0
  }
}
