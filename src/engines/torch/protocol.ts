/** What the lab and its PyTorch process say to each other; `worker.py` has the other side. */
import type { EngineMemory, Precision, VariableInit } from '../../tensor/engine.js'
import type { TensorSpec } from '../../tensor/graph.js'
import type { ProgramSpec } from '../../tensor/lower.js'

/** The arithmetic that the worker has. */
export type TorchPrecision = Exclude<Precision, 'f16'>

/** Which programs go through torch.compile where it works: those with enough work to be worth the wait (`auto`), all, or none. */
export type CompileMode = 'auto' | 'always' | 'never'

/** Handed to the process at its start. */
export interface WorkerOptions {
  readonly device: string
  readonly threads: number
  readonly precision: TorchPrecision
  readonly compile: CompileMode
  /** Directories of the files through which large tensors cross, nearest first; the process removes them at its end. */
  readonly shared: readonly string[]
  /** Descriptor whose end is the end of the lab; null where processes cannot be forked. */
  readonly lifeline: number | null
}

/** A request; those with `call` are answered with that number. Elements of tensors travel as blobs beside it. Handled strictly in order. */
export type Request =
  | {
      readonly kind: 'createVariable'
      readonly id: number
      readonly spec: TensorSpec
      readonly init: Exclude<VariableInit, { kind: 'host' }> | { readonly kind: 'host' }
    }
  | { readonly kind: 'writeVariable' | 'disposeVariable' | 'unload'; readonly id: number }
  | { readonly kind: 'readVariable' | 'source'; readonly call: number; readonly id: number }
  | {
      readonly kind: 'load'
      readonly call: number
      readonly id: number
      readonly spec: ProgramSpec
      readonly compile: boolean
    }
  | { readonly kind: 'run'; readonly call: number; readonly id: number; readonly variables: readonly number[] }
  | { readonly kind: 'memory' | 'dispose'; readonly call: number }

/** What the process found at its start. */
export interface WorkerDescription {
  /** Version of PyTorch. */
  readonly torch: string
  /** Path of the interpreter. */
  readonly python: string
  /** Name of the GPU; null on others than CUDA and ROCm. */
  readonly adapter: string | null
  /** Whether torch.compile is asked for and works. */
  readonly compiles: boolean
  /** What torch.compile lacks on this machine; null when nothing, or when it was not asked for. */
  readonly lacking: string | null
  /** Whether products in bf16 are asked for and the processor or card has no instructions for them. */
  readonly emulates: boolean
  /** PyTorch's fused kernels of attention that work here, the preferred one first. */
  readonly fused: readonly string[]
}

export type Response =
  | ({ readonly kind: 'ready' } & WorkerDescription)
  | { readonly kind: 'answer'; readonly call: number; readonly value: EngineMemory | string | null }
  | { readonly kind: 'failure'; readonly call: number; readonly code: string; readonly message: string }
  /** The process cannot go on. */
  | { readonly kind: 'fatal'; readonly code: string; readonly message: string }
