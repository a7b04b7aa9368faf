import { LabError } from '../util/errors.js'
import { arrayNameOf, bytesPerElement, type DType, type HostArray, isArrayOf } from './dtype.js'
import { defaultEngine, type Engine, type FileRange, type VariableInit } from './engine.js'
import { makeNode, Tensor, type TensorSpec } from './graph.js'
import { formatShape, type Shape, sizeOf } from './shape.js'

/** Device memory and how many variables hold it. */
interface Memory {
  readonly engine: Engine
  readonly id: number
  holders: number
}

/** Frees device memory of variables that were dropped without dispose(). */
const leaked = new FinalizationRegistry<Memory>(release)

function release(memory: Memory): void {
  memory.holders--
  if (memory.holders === 0) memory.engine.disposeVariable(memory.id)
}

export interface VariableOptions {
  engine?: Engine
  /** Shown in errors and plots: the Hugging Face path of a parameter. */
  name?: string
  /** Refuse every change of the elements (default false); {@link Variable.share} needs it. */
  isReadOnly?: boolean
  /** Where a file holds the exact elements; for read-only variables. */
  origin?: FileRange | null
}

/** A first value: as an engine takes it, or the memory of another read-only variable of the same shape and dtype. */
type FirstValue = VariableInit | { readonly kind: 'shared'; readonly of: Variable }

/**
 * State that lives on the device between runs: a weight, a moment, a cache. Use `value` in a graph; change it through a
 * program's updates or `write`. Owns its device memory until `dispose`.
 */
export class Variable {
  readonly engine: Engine
  readonly id: number
  readonly name: string
  /** Shape and dtype of what the device holds. */
  readonly spec: TensorSpec
  readonly isReadOnly: boolean
  readonly origin: FileRange | null
  readonly #leaf: Tensor
  readonly #memory: Memory
  #disposed = false

  constructor(
    shape: Shape,
    dtype: DType,
    init: FirstValue,
    { engine = defaultEngine(), name = 'variable', isReadOnly = false, origin = null }: VariableOptions = {},
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
    this.isReadOnly = isReadOnly
    this.origin = origin
    this.spec = { shape: [...shape], dtype }
    this.#memory =
      init.kind === 'shared' ? init.of.#held() : { engine, id: engine.createVariable(this.spec, init), holders: 1 }
    this.id = this.#memory.id
    this.#leaf = new Tensor(makeNode('variable', [], {}, [this.spec], { kind: 'variable', variable: this }))
    leaked.register(this, this.#memory, this)
  }

  /** What stands for this variable in graphs: a leaf. */
  get value(): Tensor {
    return this.#leaf
  }

  get shape(): Shape {
    return this.spec.shape
  }

  get dtype(): DType {
    return this.spec.dtype
  }

  /** Bytes of the memory under `id`. */
  get storedBytes(): number {
    return sizeOf(this.spec.shape) * bytesPerElement[this.spec.dtype]
  }

  /** The variables that device memory is held by: itself. */
  get parts(): readonly Variable[] {
    return [this]
  }

  /** A copy of the elements in host memory. */
  async read(): Promise<HostArray> {
    return this.readStored()
  }

  /** A copy of what the device holds, of `spec`'s dtype. */
  async readStored(): Promise<HostArray> {
    this.#check()
    return this.engine.readVariable(this.id)
  }

  /**
   * Another variable over the same device memory, which is freed when the last of them is disposed.
   * @throws LabError READ_ONLY when this one may be written: the other would change with it
   */
  share(name = this.name): Variable {
    return new Variable(this.spec.shape, this.spec.dtype, { kind: 'shared', of: this }, this.sharedOptions(name))
  }

  /** Replaces all elements; the data is copied before this returns. */
  write(data: HostArray): void {
    this.#check()
    this.checkWritable()
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
    release(this.#memory)
  }

  /** @throws LabError READ_ONLY */
  checkWritable(): void {
    if (!this.isReadOnly) return
    throw new LabError(
      'READ_ONLY',
      `${this.name}: the weight is frozen and stored as ${this.storage}; load it as f32 to train it (frozenWeights: f32)`,
    )
  }

  /** How the elements are stored, for people: `bf16`, `int4`. */
  get storage(): string {
    return this.spec.dtype
  }

  protected sharedOptions(name: string): VariableOptions {
    const { engine, isReadOnly, origin } = this
    return { engine, name, isReadOnly, origin }
  }

  #held(): Memory {
    this.#check()
    if (!this.isReadOnly)
      throw new LabError('READ_ONLY', `${this.name}: a variable that may be written cannot be shared; copy it`)
    this.#memory.holders++
    return this.#memory
  }

  #check(): void {
    if (this.#disposed) throw new LabError('DISPOSED', `${this.name}: the variable has been disposed`)
  }
}
