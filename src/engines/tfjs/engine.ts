import { copyOf, type HostArray } from '../../tensor/dtype.js'
import type { Engine, EngineMemory, VariableInit, WorkingBytes } from '../../tensor/engine.js'
import type { TensorSpec } from '../../tensor/graph.js'
import type { ProgramSpec } from '../../tensor/lower.js'
import { LabError, messageOf } from '../../util/errors.js'
import { initialData } from '../initial-data.js'
import { nativeOps } from './kernels.js'
import { startBackend, type Tf, type TfTensor, tfjsCore } from './load.js'
import type { TfNamespace } from './namespace.js'
import { compileProgram, disposeProgram, evaluate, peakBytes, type TfProgram } from './program.js'
import { download, tfBytes, upload } from './transfer.js'

export interface TfjsEngineOptions {
  /** The tfjs to compute with (default: the lab's own tfjs-core with its wasm and cpu backends). */
  tf?: TfNamespace
  /** A backend that is registered with it (default `wasm`). */
  backend?: string
  /** Work done before other things of this thread get their turn; one kernel is never cut (default 8). */
  sliceMs?: number
  /** What more there is to say about the device, for its description. */
  note?: string
}

interface Slot {
  readonly spec: TensorSpec
  tensor: TfTensor
}

/**
 * tfjs-core's kernels on one registered backend, on the calling thread. Between kernels the thread's other work gets its
 * turn; a kernel itself is not interrupted, so big models belong on the worker of `createEngine('tfjs')`. Everything runs
 * on the backend named, whatever tfjs's current one is in between.
 */
export class TfjsEngine implements Engine {
  readonly name = 'tfjs'
  readonly device: string
  readonly nativeOps = nativeOps
  readonly widensHalf = true
  readonly #tf: Tf
  readonly #sliceMs: number
  readonly #note: string
  readonly #variables = new Map<number, Slot>()
  /** Why a variable has no value. */
  readonly #failed = new Map<number, LabError>()
  readonly #programs = new Map<number, { readonly program: TfProgram; readonly key: string }>()
  readonly #loaded = new Map<string, number>()
  #tail: Promise<unknown>
  #nextId = 0
  #closed: LabError | null = null
  #disposed: Promise<void> | null = null
  #trapped = false

  constructor({ tf = tfjsCore(), backend = 'wasm', sliceMs = 8, note = '' }: TfjsEngineOptions = {}) {
    this.#note = note && ` (${note})`
    this.device = backend
    this.#tf = tf as Tf
    this.#sliceMs = sliceMs
    this.#tail = this.#start()
  }

  get ended(): LabError | null {
    return this.#closed
  }

  get description(): string {
    return `tfjs ${this.#tf.version_core} on ${this.device}${this.#note}, f32`
  }

  /** Resolves when the backend has started. @throws LabError DEVICE when it is unknown or cannot start */
  ready(): Promise<void> {
    return this.#queue(() => undefined)
  }

  createVariable(spec: TensorSpec, init: VariableInit): number {
    this.#check()
    const id = this.#nextId++
    const kept: VariableInit = init.kind === 'host' && !init.transfer ? { ...init, data: copyOf(init.data) } : init
    this.#order(id, () => {
      this.#variables.set(id, { spec, tensor: upload(this.#tf, initialData(spec, kept), spec) })
    })
    return id
  }

  readVariable(variable: number): Promise<HostArray> {
    return this.#queue(() => {
      const { tensor, spec } = this.#slot(variable)
      return download(tensor, spec.dtype)
    })
  }

  writeVariable(variable: number, data: HostArray): void {
    this.#check()
    const copy = copyOf(data)
    this.#order(variable, () => {
      const slot = this.#slot(variable)
      replace(slot, upload(this.#tf, copy, slot.spec))
    })
  }

  disposeVariable(variable: number): void {
    if (this.#closed) return
    this.#order(variable, () => {
      this.#variables.get(variable)?.tensor.dispose()
      this.#variables.delete(variable)
      this.#failed.delete(variable)
    })
  }

  load(spec: ProgramSpec, key: string): Promise<number> {
    return this.#queue(() => {
      const known = this.#loaded.get(key)
      if (known !== undefined) return known
      const program = this.#onBackend(() => compileProgram(this.#tf, this.device, spec))
      const id = this.#nextId++
      this.#programs.set(id, { program, key })
      this.#loaded.set(key, id)
      return id
    })
  }

  unload(id: number): void {
    if (this.#closed) return
    this.#order(id, () => {
      const known = this.#programs.get(id)
      if (!known) return
      disposeProgram(known.program)
      this.#programs.delete(id)
      this.#loaded.delete(known.key)
    })
  }

  run(
    program: number,
    inputs: readonly HostArray[],
    variables: readonly number[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<HostArray[]> {
    return this.#queue(() => {
      const known = this.#programs.get(program)
      if (!known) throw new LabError('ENGINE', `tfjs: no program ${program}`)
      return this.#run(known.program, inputs, variables, signal)
    })
  }

  memory(): Promise<EngineMemory> {
    return this.#queue(() => {
      const slots = [...this.#variables.values()]
      const variableBytes = slots.reduce((n, { spec }) => n + tfBytes(spec), 0)
      return { variableBytes, variables: slots.length, programs: this.#programs.size }
    })
  }

  workingBytes(programs: readonly ProgramSpec[]): WorkingBytes {
    return tfjsWorkingBytes(programs)
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return this.#disposed
    this.#disposed = this.#tail.then(() => this.#free())
    this.#tail = this.#disposed
    return this.#disposed
  }

  #free(): void {
    this.#closed ??= new LabError('ENGINE_CLOSED', 'tfjs: the engine has been disposed')
    const tensors = [...this.#variables.values()].map(({ tensor }) => tensor)
    this.#variables.clear()
    // after a trap nothing can be freed any more: the memory goes with the backend
    if (this.#trapped) return
    for (const tensor of tensors) tensor.dispose()
    for (const { program } of this.#programs.values()) disposeProgram(program)
  }

  async #start(): Promise<void> {
    const before = this.#tf.getBackend()
    try {
      // one that has started takes effect before setBackend returns: nobody else sees it as the current one
      if (this.#tf.engine().registry[this.device]) this.#onBackend(() => undefined)
      else {
        await startBackend(this.#tf, this.device)
        if (before) await this.#tf.setBackend(before)
      }
    } catch (error) {
      this.#fail(error)
    }
  }

  async #run(
    program: TfProgram,
    inputs: readonly HostArray[],
    variables: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<HostArray[]> {
    const { spec } = program
    const slots = variables.map(id => this.#slot(id))
    const given = new Map(spec.variables.map((value, slot) => [value, slots[slot]!.tensor]))
    const uploaded = spec.inputs.map(({ value }, i) => {
      const tensor = this.#onBackend(() => upload(this.#tf, inputs[i]!, spec.values[value]!))
      given.set(value, tensor)
      return tensor
    })
    let results: TfTensor[] = []
    try {
      results = await this.#drive(evaluate(this.#tf, program, given), signal)
      const outputs = await Promise.all(
        spec.outputs.map((value, i) => download(results[i]!, spec.values[value]!.dtype)),
      )
      spec.updates.forEach(({ slot }, i) => {
        replace(slots[slot]!, results[spec.outputs.length + i]!)
      })
      results = results.slice(0, spec.outputs.length)
      return outputs
    } finally {
      for (const tensor of [...uploaded, ...results]) tensor.dispose()
    }
  }

  /** Runs in slices; what waits in the event loop has its turn in between. */
  async #drive<T>(work: Generator<void, T, void>, signal: AbortSignal | undefined): Promise<T> {
    for (;;) {
      if (signal?.aborted) {
        work.return(undefined as never)
        throw new LabError('ABORTED', 'the run was aborted')
      }
      const step = this.#onBackend(() => {
        const until = performance.now() + this.#sliceMs
        let next = work.next()
        while (!next.done && performance.now() < until) next = work.next()
        return next
      })
      if (step.done) return step.value
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  /** Synchronous work with this engine's backend as tfjs's current one. */
  #onBackend<T>(work: () => T): T {
    const current = this.#tf.getBackend()
    if (current === this.device) return work()
    // both have started, and then setBackend takes effect before it returns
    void this.#tf.setBackend(this.device)
    try {
      return work()
    } finally {
      void this.#tf.setBackend(current)
    }
  }

  /** Calls take effect in the order in which they were made, each when the one before has ended. */
  #queue<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#tail.then(async () => {
      this.#check()
      try {
        return await work()
      } catch (error) {
        throw this.#told(error)
      }
    })
    this.#tail = result.catch(() => undefined)
    return result
  }

  /** The error that callers get. A trap in WebAssembly leaves its memory in an unknown state: the engine ends with it. */
  #told(error: unknown): LabError {
    const told =
      error instanceof LabError ? error : new LabError('ENGINE', `tfjs: ${messageOf(error)}`, { cause: error })
    if ((told.cause as Error | undefined)?.name === 'RuntimeError') {
      this.#trapped = true
      this.#fail(told)
    }
    return told
  }

  /** {@link queue} for calls that nobody waits for: when one fails, who uses the variable is told. */
  #order(variable: number, work: () => void): void {
    this.#queue(() => this.#onBackend(work)).catch((error: LabError) => this.#failed.set(variable, error))
  }

  /** Every later call is told why. */
  #fail(error: unknown): void {
    this.#closed ??= error instanceof LabError ? error : new LabError('ENGINE', `tfjs: ${messageOf(error)}`)
  }

  #slot(variable: number): Slot {
    const failure = this.#failed.get(variable)
    if (failure) throw failure
    const slot = this.#variables.get(variable)
    if (!slot) throw new LabError('DISPOSED', `tfjs: variable ${variable} has been disposed`)
    return slot
  }

  #check(): void {
    if (this.#closed) throw this.#closed
  }
}

/** What tfjs will hold besides variables. New values of updates count as live: they take the old ones' place when a run ends. */
export function tfjsWorkingBytes(programs: readonly ProgramSpec[]): WorkingBytes {
  return { intermediate: Math.max(0, ...programs.map(peakBytes)), spare: 0, programs: 0 }
}

function replace(slot: Slot, tensor: TfTensor): void {
  slot.tensor.dispose()
  slot.tensor = tensor
}
