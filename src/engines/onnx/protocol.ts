/** What the main thread and the engine's worker say to each other. */
import type { HostArray } from '../../tensor/dtype.js'
import type { EngineMemory, VariableInit } from '../../tensor/engine.js'
import type { TensorSpec } from '../../tensor/graph.js'
import type { ProgramSpec } from '../../tensor/lower.js'

/** Handed to the worker at its start. */
export interface WorkerOptions {
  readonly threads: number
  /** File name prefix under which onnxruntime writes a profile of each program. */
  readonly profilePrefix: string | null
}

/** A request; those with `call` are answered with that number. Handled strictly in order. */
export type Request =
  | { readonly kind: 'createVariable'; readonly id: number; readonly spec: TensorSpec; readonly init: VariableInit }
  | { readonly kind: 'writeVariable'; readonly id: number; readonly data: HostArray }
  | { readonly kind: 'disposeVariable'; readonly id: number }
  | { readonly kind: 'readVariable'; readonly call: number; readonly id: number }
  | { readonly kind: 'load'; readonly call: number; readonly id: number; readonly spec: ProgramSpec }
  | {
      readonly kind: 'run'
      readonly call: number
      readonly id: number
      readonly inputs: readonly HostArray[]
      readonly variables: readonly number[]
    }
  | { readonly kind: 'memory'; readonly call: number }
  | { readonly kind: 'dispose'; readonly call: number }

export type Answer = HostArray | HostArray[] | EngineMemory | null

export type Response =
  | { readonly kind: 'ready'; readonly version: string }
  | { readonly kind: 'answer'; readonly call: number; readonly value: Answer }
  | { readonly kind: 'failure'; readonly call: number; readonly code: string; readonly message: string }
  /** A request that nobody waits for has failed: the engine cannot go on. */
  | { readonly kind: 'fatal'; readonly code: string; readonly message: string }
