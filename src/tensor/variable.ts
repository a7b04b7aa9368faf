import { LabError } from '../util/errors.js'
import { arrayNameOf, type DType, type HostArray, isArrayOf } from './dtype.js'
import { defaultEngine, type Engine, type VariableInit } from './engine.js'
import { makeNode, Tensor, type TensorSpec } from './graph.js'
import { formatShape, type Shape, sizeOf } from './shape.js'

/** Frees device memory of variables that were dropped without dispose(). */
const leaked = new FinalizationRegistry<{ engine: Engine; id: number }>(({ engine, id }) => engine.disposeVariable(id))

export interface VariableOptions {
  engine?: Engine
  /** Shown in errors and plots: the Hugging Face path of a parameter. */
  name?: string
}

/**
 * State that lives on the device between runs: a weight, a moment, a cache. Use `value` in a graph; change it through a
 * program's updates or `write`. Owns its device memory until `dispose`.
 */
export class Variable {
  readonly engine: Engine
  readonly id: number
  readonly name: string
  readonly spec: TensorSpec
  /** The leaf that stands for this variable in graphs. */
  readonly value: Tensor
  #disposed = false

  constructor(
    shape: Shape,
    dtype: DType,
    init: VariableInit,
    { engine = defaultEngine(), name = 'variable' }: VariableOptions = {},
  ) {
    if (init.kind === 'host' && init.data.length !== sizeOf(shape)) {
      throw new LabError('SHAPE', `${name}: ${init.data.length} elements do not fill shape ${formatShape(shape)}`)
    }
    if (init.kind === 'host' && !isArrayOf(dtype, init.data)) {
      const came = init.data[Symbol.toStringTag]
      throw new LabError('DTYPE', `${name}: expected a ${arrayNameOf(dtype)} for ${dtype}, got a ${came}`)
    }
    this.engine = engine
    this.name = name
    this.spec = { shape: [...shape], dtype }
    this.id = engine.createVariable(this.spec, init)
    this.value = new Tensor(makeNode('variable', [], {}, [this.spec], { kind: 'variable', variable: this }))
    leaked.register(this, { engine, id: this.id }, this)
  }

  get shape(): Shape {
    return this.spec.shape
  }

  get dtype(): DType {
    return this.spec.dtype
  }

  /** A copy of the elements in host memory. */
  async read(): Promise<HostArray> {
    this.#check()
    return this.engine.readVariable(this.id)
  }

  /** Replaces all elements; the data is copied before this returns. */
  write(data: HostArray): void {
    this.#check()
    if (data.length !== sizeOf(this.shape) || !isArrayOf(this.dtype, data)) {
      throw new LabError(
        'SHAPE',
        `${this.name}: expected ${this.dtype} ${formatShape(this.shape)}, a ${arrayNameOf(this.dtype)}, got a ${data[Symbol.toStringTag]} of ${data.length} elements`,
      )
    }
    this.engine.writeVariable(this.id, data)
  }

  /** Frees the device memory. Calling it twice does nothing. */
  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    leaked.unregister(this)
    this.engine.disposeVariable(this.id)
  }

  #check(): void {
    if (this.#disposed) throw new LabError('DISPOSED', `${this.name}: the variable has been disposed`)
  }
}
