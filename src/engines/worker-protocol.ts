/** What an engine's own side and the worker thread that hosts it say to each other; they carry the calls of `Engine`. */
import type { HostArray } from '../tensor/dtype.js'
import type { EngineMemory, VariableInit } from '../tensor/engine.js'
import type { TensorSpec } from '../tensor/graph.js'
import type { ProgramSpec } from '../tensor/lower.js'

/** A request; those with `call` are answered with that number. They take effect in the order in which they are sent. */
export type Request =
  | { readonly kind: 'createVariable'; readonly id: number; readonly spec: TensorSpec; readonly init: VariableInit }
  | { readonly kind: 'writeVariable'; readonly id: number; readonly data: HostArray }
  | { readonly kind: 'disposeVariable'; readonly id: number }
  | { readonly kind: 'readVariable'; readonly call: number; readonly id: number }
  | { readonly kind: 'load'; readonly call: number; readonly spec: ProgramSpec; readonly key: string }
  | { readonly kind: 'unload'; readonly program: number }
  | {
      readonly kind: 'run'
      readonly call: number
      readonly program: number
      readonly inputs: readonly HostArray[]
      readonly variables: readonly number[]
    }
  /** Ends the run of that call, if it is still going on. */
  | { readonly kind: 'abort'; readonly run: number }
  | { readonly kind: 'memory'; readonly call: number }
  | { readonly kind: 'dispose'; readonly call: number }

export type Answer = HostArray | HostArray[] | EngineMemory | number | null

export type Response =
  | { readonly kind: 'ready'; readonly device: string; readonly description: string }
  | { readonly kind: 'answer'; readonly call: number; readonly value: Answer }
  | { readonly kind: 'failure'; readonly call: number; readonly code: string; readonly message: string }
  /** The engine could not start, or has failed for good. */
  | { readonly kind: 'fatal'; readonly code: string; readonly message: string }
