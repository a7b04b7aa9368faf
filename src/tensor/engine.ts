/**
 * The interface between graphs and hardware, and all that a new engine has to know. It implements `Engine`; the conformance
 * suite (`test/engines/conformance.ts`) then checks every op, update and error against the float64 reference
 * (`src/engines/reference`, the smallest engine to read first). A device gets its name in the table of makers of
 * `src/lab/engines.ts`. Engines on a thread of their own extend `WorkerEngine` and host themselves with `hostEngine`.
 *
 * Contract
 * - *Variables* are device memory addressed by a number that the engine hands out. They keep their value until written,
 *   updated by a program, or disposed; their bytes never cross to the host except through `readVariable`. An engine without 16-bit
 *   storage holds f16 and bf16 as f32 and says so (`widensHalf`).
 * - *Programs* are `ProgramSpec`s: plain data in topological order. `load` compiles once per key and may be called again
 *   with the same key at no cost; `unload` frees. `run` binds inputs and variable slots, in the order of the spec.
 * - *Updates* take effect together, when the run ends: every node of the program sees the values from before.
 *   A run that fails or is aborted before it ends leaves variables as they were or fails the engine for good.
 * - *Composite ops* named in `nativeOps` arrive whole; all others arrive decomposed into the plain ops below.
 * - *Order*: calls take effect in the order in which they were made.
 * - *Lifetime*: `dispose` frees everything; afterwards every call rejects with code ENGINE_CLOSED.
 * - *Variables that fail*: when the first value of a variable, or one written later, cannot be had (no memory, a file that is
 *   too short), every later use of that variable rejects with the reason; others are untouched. An engine that knows at once
 *   may throw instead.
 * - *Errors* are LabErrors: OUT_OF_MEMORY (with the bytes), ENGINE (what the runtime said, ids out of range), ABORTED (the signal),
 *   ENGINE_CLOSED (after `dispose`), DISPOSED (a variable that was disposed), TRUNCATED (a file that is too short), DEVICE (the
 *   device is not there). `ended` is what ended the engine; every later call then rejects with it.
 * - *Precision* says what products of matrices (and attention) are computed in, see {@link Precision}; everything else is f32, also
 *   under `bf16` and `f16`. A bf16 engine may keep a product's result in bf16 as long as only products read it.
 *
 * Plain ops. F is f32, H f16 or bf16, I i32, B bool; elementwise operands broadcast as in NumPy; the result's shape and dtype are in
 * `values` of the spec, so an engine infers none. Sizes of 0 occur, except along what `max` and `argmax` go over.
 *
 * | op | operands | attrs | result |
 * | --- | --- | --- | --- |
 * | scalar | | value, dtype | a constant, shape []; value may be NaN, infinite or -0 |
 * | iota | | length | 0, 1, ..., length-1 as I |
 * | neg exp log sqrt reciprocal sin cos tanh sigmoid abs | F | | elementwise |
 * | add sub mul maximum minimum | F F, I I | | elementwise; I wraps around |
 * | div pow | F F | | elementwise; pow of a negative base is real for whole exponents, else NaN |
 * | equal less lessOrEqual greater greaterOrEqual | F F, I I | | B |
 * | and or | B B | | B |
 * | not | B | | B |
 * | where | B, a, b of one dtype | | a where the condition holds, else b |
 * | cast | any | dtype (not u8) | to nearest even for H; towards 0 for I; bool of a number is whether it is not 0 |
 * | reshape | any | shape | the same elements in row-major order |
 * | permute | any | axes | axis i is axis `axes[i]` of the operand |
 * | expand | any | shape | repeats axes of size 1 and missing leading ones |
 * | slice | any | axis, start, end | elements start <= i < end, both >= 0 |
 * | pad | any | axis, before, after | zeros before and after along one axis |
 * | concat | any, all of one dtype | axis | one after another |
 * | sum max | F, I | axes | reduced axes stay, with size 1; the max of a NaN and others is a NaN or one of the others |
 * | argmax | F | | index along the last axis, which goes; the first of equals; I |
 * | matmul | F F | transA, transB, alpha | alpha a b over the last two axes (either transposed), leading ones broadcast |
 * | gather | table any, ids I | | `out[i, ...] = table[ids[i], ...]` |
 * | gatherLast | x any, ids I | | `out[...] = x[..., ids[...]]` |
 * | scatterAdd | ids I [N], rows F [N, C] | size | [size, C] of zeros, row i added at `ids[i]`; ids may repeat |
 * | update | base, rows of one dtype, positions I | axis | base with its slices at positions (distinct) replaced by rows |
 * | barrier | x any, after any | | x, computed again by whoever reads it: neither before `after` nor merged with x |
 *
 * Composite ops, of F; `ops/<file>.ts` has each as plain ops (`decompose`), which is what an engine without it gets and what one with
 * it has to equal. B batch, H query heads, K key/value heads, T queries, S keys, D head dim, N rows, C columns, V classes.
 *
 * | op | operands | attrs | results |
 * | --- | --- | --- | --- |
 * | softmax | x | | over the last axis, without overflow |
 * | silu | x | | x / (1 + exp(-x)) |
 * | rmsNorm | x [..., C], weight [C] | eps | weight x r; r = 1 / sqrt(mean(x^2) + eps), [..., 1] |
 * | rotary | x [B, H, T, D], cos, sin [T, D/2] | | halves a, b of D: a cos - b sin, then b cos + a sin |
 * | attention | q [B, H, T, D], k, v [B, K, S, D], with start null: position of query 0, I [] | scale, window, start | softmax(scale q k^T + mask) v; query i is at start + i and sees keys up to there, with a window only the last `window` of them |
 * | attentionGrad | q, k, v, the output, its gradient | as above | gradients of q, k, v |
 * | linearCrossEntropy | x [N, C], weight [V, C], targets I [N] | | logSumExp(x weight^T) - the target's logit, [N] |
 * | linearCrossEntropyGrad | as above, the gradient of the result [N] | needsWeight | gradients of x and weight; the second is not read unless needed |
 * | adamw | p, m, v, g of one shape; lr, correction1, correction2 [] | beta1, beta2, eps, weightDecay | new p, m, v |
 * | dequantize | codes U8 [..., C bits/8] (an input or a variable), scales [..., C/32] | bits | codes times the scale of their block; see `quantize.ts` |
 *
 * Ids outside their rows, negative ones too, are an error (ENGINE), never another row; a device that cannot refuse them looks at
 * those that come from the host before it runs.
 */
import { LabError } from '../util/errors.js'
import type { HostArray } from './dtype.js'
import type { TensorSpec } from './graph.js'
import type { ProgramSpec } from './lower.js'

/**
 * What products of matrices are computed in. `bf16`: operands rounded to bf16, accumulation in f32. `f16`: operands in f16,
 * summed in f16 over a few hundred terms at most and in f32 beyond; what exceeds 65504 in f16 becomes infinite, so gradients need
 * loss scaling. Everything else is f32.
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
