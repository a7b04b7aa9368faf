/**
 * The interface between graphs and hardware. A new engine implements `Engine`; the conformance suite
 * (`test/engines/conformance.ts`) then checks every op, update and error against the float64 reference.
 *
 * Contract
 * - *Variables* are device memory addressed by a number that the engine hands out. They keep their value until written,
 *   updated by a program, or disposed; their bytes never cross to the host except through `read`.
 * - *Programs* are `ProgramSpec`s: plain data in topological order. `load` compiles once per key and may be called again
 *   with the same key at no cost. `run` binds inputs and variable slots, in the order of the spec.
 * - *Updates* take effect together, when the run ends: every node of the program sees the values from before.
 *   A run that fails or is aborted before it ends leaves variables as they were or fails the engine for good.
 * - *Composite ops* named in `nativeOps` arrive whole; all others arrive decomposed into plain ops.
 * - *Order*: calls take effect in the order in which they were made.
 * - *Lifetime*: `dispose` frees everything; afterwards every call rejects with code ENGINE_CLOSED.
 * - *Variables that fail*: when the first value of a variable, or one written later, cannot be had (no memory, a file that is
 *   too short), every later use of that variable rejects with the reason; others are untouched. An engine that knows at once
 *   may throw instead.
 * - *Errors* are LabErrors: OUT_OF_MEMORY (with sizes), ENGINE (what the runtime said), ABORTED, ENGINE_CLOSED.
 */
import { LabError } from '../util/errors.js'
import type { HostArray } from './dtype.js'
import type { TensorSpec } from './graph.js'
import type { ProgramSpec } from './lower.js'

/**
 * What products of matrices are computed in. `bf16`: operands rounded to bf16, accumulation in f32. `f16`: operands and results
 * in f16, accumulation as the runtime does it; what exceeds 65504 becomes infinite, so gradients need loss scaling. Everything
 * else stays f32.
 */
export type Precision = 'f32' | 'bf16' | 'f16'

/** Where a variable's first value comes from. */
export type VariableInit =
  | { readonly kind: 'zeros' }
  /** Elements of the variable's own dtype; copied, unless `transfer` gives the buffer away. */
  | { readonly kind: 'host'; readonly data: HostArray; readonly transfer?: boolean }
  /**
   * Elements in a file, converted when their dtype differs from the variable's; read by the engine itself. With `isMapped`
   * an engine that computes in this machine's memory may use the pages of the file in place of a copy; the file must then
   * keep its bytes as long as the variable lives.
   */
  | ({ readonly kind: 'file'; readonly isMapped?: boolean } & FileRange)

/** Little-endian elements in a file. */
export interface FileRange {
  readonly path: string
  readonly byteOffset: number
  readonly byteLength: number
  readonly dtype: 'f32' | 'f16' | 'bf16'
}

export interface EngineMemory {
  /** Bytes of live variables. */
  readonly variableBytes: number
  /** Of these, pages of files: in memory only once they are read, and given back first when memory is short. */
  readonly mappedBytes?: number
  readonly variables: number
  readonly programs: number
  /** Where the engine's memory is, when it is not this process's own. */
  readonly elsewhere?: ElsewhereMemory
}

/** Memory that an engine uses outside this process: a device's, or that of another process of this machine. */
export interface ElsewhereMemory {
  /** Whose: the name of a GPU, or of a process. */
  readonly name: string
  /** What it holds of it in all, as far as it knows. */
  readonly residentBytes: number
  /** What it can still get of it; absent when that is what this machine still has. */
  readonly freeBytes?: number
}

/** What {@link Engine.workingBytes} finds. */
export interface WorkingBytes {
  /** Values between the nodes of a program, at the worst moment. */
  readonly intermediate: number
  /** Second copies of variables whose update may not overwrite them. */
  readonly spare: number
  /** The programs themselves. */
  readonly programs: number
}

export interface Engine {
  /** `onnx`, `reference`, ... */
  readonly name: string
  /** `cpu`, `webgpu`, `cuda`, ... */
  readonly device: string
  /** Human-readable: runtime and version, threads, adapter. */
  readonly description: string
  /** Default `f32`. */
  readonly precision?: Precision
  /** Why the engine can compute no more: it has failed for good or was disposed; null while it can. */
  readonly ended: LabError | null
  /** Whether variables of f16 and bf16 take the room of f32 here (default: they take 2 bytes an element). */
  readonly widensHalf?: boolean
  /** Composite ops that this engine runs itself. */
  readonly nativeOps: ReadonlySet<string>
  createVariable(spec: TensorSpec, init: VariableInit): number
  readVariable(variable: number): Promise<HostArray>
  writeVariable(variable: number, data: HostArray): void
  disposeVariable(variable: number): void
  /** Compiles a program; resolves to its handle. */
  load(spec: ProgramSpec, key: string): Promise<number>
  /** Frees a program, for all that have its handle; runs that were asked for before it still end. */
  unload(program: number): void
  /** Runs a program once; resolves to its outputs, which the caller owns. */
  run(
    program: number,
    inputs: readonly HostArray[],
    variables: readonly number[],
    options?: { signal?: AbortSignal },
  ): Promise<HostArray[]>
  memory(): Promise<EngineMemory>
  /**
   * Bytes that the engine will come to hold besides variables when these programs run, in this order, again and again:
   * intermediate values, second copies for updates, compiled forms. An estimate, made without running or loading anything.
   */
  workingBytes(programs: readonly ProgramSpec[]): WorkingBytes
  dispose(): Promise<void>
}

let makeDefault: (() => Engine) | null = null
let current: Engine | null = null
/** Whether the factory made the current one; what a caller has set is never replaced by another. */
let isMade = false

/** Says how the default engine is made when a tensor is first realised without naming one. */
export function setDefaultEngineFactory(factory: () => Engine): void {
  makeDefault = factory
}

/** Makes `engine` the one that realises tensors from now on. */
export function setDefaultEngine(engine: Engine | null): void {
  current = engine
  isMade = false
}

/** The engine that realises tensors when none is named; started at its first use, and anew when it has ended by itself. */
export function defaultEngine(): Engine {
  if (!current || (isMade && current.ended)) {
    if (!makeDefault) throw new LabError('NO_ENGINE', 'no engine to run on: call setDefaultEngine(engine) first')
    current = makeDefault()
    isMade = true
  }
  return current
}
