import type { DType, HostArray } from '../../tensor/dtype.js'
import type { Engine, EngineMemory, VariableInit, WorkingBytes } from '../../tensor/engine.js'
import type { TensorSpec } from '../../tensor/graph.js'
import { bf16ToF32, f16ToF32 } from '../../tensor/half.js'
import { toHost } from '../../tensor/leaf.js'
import type { ProgramSpec } from '../../tensor/lower.js'
import { sizeOf } from '../../tensor/shape.js'
import { internal, LabError } from '../../util/errors.js'
import { initialData } from '../initial-data.js'
import { evaluate, type Value } from './kernels.js'

/** The oracle: plain TypeScript loops in float64, on the calling thread. For tests and for checking gradients, not for training. */
export class ReferenceEngine implements Engine {
  readonly name = 'reference'
  readonly device = 'cpu'
  readonly description = 'reference: float64 loops in TypeScript'
  readonly nativeOps: ReadonlySet<string> = new Set()
  readonly #variables = new Map<number, Value>()
  readonly #programs = new Map<number, { readonly spec: ProgramSpec; readonly key: string }>()
  readonly #loaded = new Map<string, number>()
  #next = 0
  #closed: LabError | null = null

  get ended(): LabError | null {
    return this.#closed
  }

  createVariable(spec: TensorSpec, init: VariableInit): number {
    this.#check()
    this.#variables.set(this.#next, { ...spec, data: decode(initialData(spec, init), spec.dtype) })
    return this.#next++
  }

  async readVariable(variable: number): Promise<HostArray> {
    const { data, dtype } = this.#value(variable)
    return toHost(data, dtype)
  }

  /** The elements without rounding to f32: what central differences need. */
  readExact(variable: number): Float64Array {
    return this.#value(variable).data.slice()
  }

  writeVariable(variable: number, data: ArrayLike<number>): void {
    const { shape, dtype } = this.#value(variable)
    this.#variables.set(variable, { shape, dtype, data: decode(data, dtype) })
  }

  disposeVariable(variable: number): void {
    this.#variables.delete(variable)
  }

  async load(spec: ProgramSpec, key: string): Promise<number> {
    this.#check()
    const known = this.#loaded.get(key)
    if (known !== undefined) return known
    this.#programs.set(this.#next, { spec, key })
    this.#loaded.set(key, this.#next)
    return this.#next++
  }

  unload(program: number): void {
    const known = this.#programs.get(program)
    if (known) this.#loaded.delete(known.key)
    this.#programs.delete(program)
  }

  async run(
    program: number,
    inputs: readonly HostArray[],
    variables: readonly number[],
    options: { signal?: AbortSignal } = {},
  ): Promise<HostArray[]> {
    const outputs = this.runExact(program, inputs, variables, options)
    return outputs.map(({ data, dtype }) => toHost(data, dtype))
  }

  /** {@link run} with outputs in float64. */
  runExact(
    program: number,
    inputs: readonly ArrayLike<number>[],
    variables: readonly number[],
    { signal }: { signal?: AbortSignal } = {},
  ): Value[] {
    this.#check()
    const spec = this.#programs.get(program)?.spec
    if (!spec) throw internal(`no program ${program}`)
    const values = new Array<Value>(spec.values.length)
    spec.inputs.forEach(({ value }, i) => {
      values[value] = { ...spec.values[value]!, data: decode(inputs[i]!, spec.values[value]!.dtype) }
    })
    spec.variables.forEach((value, slot) => {
      values[value] = this.#value(variables[slot]!)
    })
    for (const node of spec.nodes) {
      if (signal?.aborted) throw new LabError('ABORTED', 'the run was aborted')
      const out = node.outputs[0]!
      values[out] = evaluate(
        node.op,
        node.inputs.map(i => values[i]!),
        node.attrs,
        spec.values[out]!,
      )
    }
    for (const { slot, value } of spec.updates) this.#variables.set(variables[slot]!, values[value]!)
    return spec.outputs.map(value => values[value]!)
  }

  async memory(): Promise<EngineMemory> {
    this.#check()
    let variableBytes = 0
    for (const { data } of this.#variables.values()) variableBytes += data.byteLength
    return { variableBytes, variables: this.#variables.size, programs: this.#programs.size }
  }

  /** Every value of a run is kept until its end, in float64. */
  workingBytes(programs: readonly ProgramSpec[]): WorkingBytes {
    const bytes = programs.map(({ values }) => 8 * values.reduce((n, { shape }) => n + sizeOf(shape), 0))
    return { intermediate: Math.max(0, ...bytes), spare: 0, programs: 0 }
  }

  async dispose(): Promise<void> {
    this.#closed = new LabError('ENGINE_CLOSED', 'reference: the engine has been disposed')
    this.#variables.clear()
  }

  #value(variable: number): Value {
    this.#check()
    const value = this.#variables.get(variable)
    if (!value) throw new LabError('DISPOSED', `reference: variable ${variable} has been disposed`)
    return value
  }

  #check(): void {
    if (this.#closed) throw this.#closed
  }
}

/** Host elements as numbers; float64 input passes unrounded. */
function decode(data: ArrayLike<number>, dtype: DType): Float64Array {
  if (data instanceof Float64Array) return data.slice()
  if (dtype === 'f16') return Float64Array.from(data, f16ToF32)
  return dtype === 'bf16' ? Float64Array.from(data, bf16ToF32) : Float64Array.from(data)
}
