/** Writes a formula over f32 tensors of one shape as nodes of a model. */

import { sized } from '../onnx/emit.js'
import { type ModelBuilder, onnxDataType } from '../onnx/model-builder.js'

/** A name of a value, or a number. */
export type Term = string | number

/** Every operation is a node of its own, so no compiler contracts or reorders what is rounded in between. */
export class Formula {
  readonly #constants = new Map<number, string>()

  constructor(
    readonly model: ModelBuilder,
    readonly shape: readonly number[],
  ) {}

  add(a: Term, b: Term): string {
    return this.#node('Add', [a, b])
  }

  sub(a: Term, b: Term): string {
    return this.#node('Sub', [a, b])
  }

  mul(a: Term, b: Term): string {
    return this.#node('Mul', [a, b])
  }

  floor(a: Term): string {
    return this.#node('Floor', [a])
  }

  abs(a: Term): string {
    return this.#node('Abs', [a])
  }

  log(a: Term): string {
    return this.#node('Log', [a])
  }

  max(a: Term, b: Term): string {
    return this.#node('Max', [a, b])
  }

  min(a: Term, b: Term): string {
    return this.#node('Min', [a, b])
  }

  less(a: Term, b: Term): string {
    return this.#node('Less', [a, b], 1)
  }

  greater(a: Term, b: Term): string {
    return this.#node('Greater', [a, b], 1)
  }

  where(condition: string, a: Term, b: Term): string {
    return this.#node('Where', [condition, a, b])
  }

  /** The entries of a constant table at positions given as whole numbers in f32. */
  lookUp(table: Float32Array, positions: string): string {
    const name = this.model.fresh()
    this.model.constant(name, { shape: [table.length], dtype: 'f32' }, table)
    const indices = this.model.emit('Cast', [positions], sized(this.shape), { to: onnxDataType.i32 })
    return this.#node('Gather', [name, indices])
  }

  /** Coefficients from the highest power down. */
  polynomial(x: string, [first, ...rest]: readonly [number, ...number[]]): string {
    return rest.reduce<Term>((sum, coefficient) => this.add(this.mul(sum, x), coefficient), first) as string
  }

  #node(op: string, terms: readonly Term[], bytes = 4): string {
    const inputs = terms.map(term => (typeof term === 'string' ? term : this.#constant(term)))
    return this.model.emit(op, inputs, sized(this.shape, bytes))
  }

  #constant(value: number): string {
    let name = this.#constants.get(value)
    if (name === undefined) {
      name = this.model.fresh()
      this.#constants.set(value, name)
      this.model.constant(name, { shape: [], dtype: 'f32' }, Float32Array.of(value))
    }
    return name
  }
}
