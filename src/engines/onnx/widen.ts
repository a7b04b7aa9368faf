import type { ProgramNode, ProgramSpec } from '../../tensor/lower.js'
import { internal } from '../../util/errors.js'

/** Ops that make an f32 matrix of a stored one. */
const widening = new Set(['cast', 'dequantize'])

/**
 * The same program in which no converted weight outlives its use: every node that reads a weight stored in 16 bits or
 * quantised converts it for itself, so that the f32 copy is made right before and is free right after, in the forward
 * pass and again in the backward pass. Converting is cheap beside a matrix product; keeping all copies would be the f32
 * model. The conversions come first in the program: of several operands onnxruntime computes the one that was emitted
 * last first (see `runOrder`), so a weight is converted when everything else that its reader needs is there.
 */
export function widenAtUse(spec: ProgramSpec): ProgramSpec {
  const updated = new Set(spec.updates.map(({ slot }) => spec.variables[slot]!))
  const stored = new Set(spec.variables.filter(value => !updated.has(value)))
  const conversions = new Map<number, ProgramNode>()
  for (const node of spec.nodes) {
    const isConversion = widening.has(node.op) && node.inputs.every(v => stored.has(v) || conversions.has(v))
    if (isConversion) conversions.set(node.outputs[0]!, node)
  }
  if (conversions.size === 0) return spec
  return new Widening(spec, conversions).run()
}

class Widening {
  readonly #values
  readonly #first: ProgramNode[] = []

  constructor(
    readonly spec: ProgramSpec,
    readonly conversions: ReadonlyMap<number, ProgramNode>,
  ) {
    this.#values = [...spec.values]
  }

  run(): ProgramSpec {
    const { spec, conversions } = this
    const rest = spec.nodes
      .filter(node => !conversions.has(node.outputs[0]!))
      .map(node => ({ ...node, inputs: this.#own(node.inputs) }))
    // what is asked for from outside keeps its number
    const asked = new Set([...spec.outputs, ...spec.updates.map(({ value }) => value)])
    for (const value of asked) if (conversions.has(value)) this.#copy(value, value)
    return { ...spec, values: this.#values, nodes: [...this.#first, ...rest] }
  }

  /** The operands of one reader, with conversions of its own. */
  #own(inputs: readonly number[]): number[] {
    const own = new Map<number, number>()
    return inputs.map(value => {
      if (!this.conversions.has(value)) return value
      const made = own.get(value) ?? this.#copy(value, this.#values.push(this.#values[value]!) - 1)
      own.set(value, made)
      return made
    })
  }

  #copy(value: number, output: number): number {
    const node = this.conversions.get(value)
    if (!node) throw internal(`value ${value} is no conversion`)
    const inputs = this.#own(node.inputs)
    this.#first.push({ ...node, inputs, outputs: [output] })
    return output
  }
}
