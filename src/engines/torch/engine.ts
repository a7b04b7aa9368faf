import type { HostArray } from '../../tensor/dtype.js'
import { bytesPerElement, copyOf, viewAs } from '../../tensor/dtype.js'
import type { Engine, EngineMemory, VariableInit, WorkingBytes } from '../../tensor/engine.js'
import type { TensorSpec } from '../../tensor/graph.js'
import type { ProgramSpec } from '../../tensor/lower.js'
import { internal, LabError } from '../../util/errors.js'
import { defaultThreads } from '../../util/threads.js'
import { HostIds } from '../host-ids.js'
import { flopsOf } from './flops.js'
import { fuseCrossEntropy } from './fuse.js'
import type { CompileMode, Request, Response, TorchPrecision, WorkerDescription } from './protocol.js'
import { findPython } from './python.js'
import { WorkerProcess } from './worker-process.js'
import { torchWorkingBytes } from './working-bytes.js'

export interface TorchEngineOptions {
  /** PyTorch device: `cpu` (default), `cuda`, `cuda:1`, `mps`. */
  device?: string
  /** Threads that compute on a CPU (default: `LLAMA_PRO_THREADS`, else one a core). */
  threads?: number
  /**
   * `f32` (default), or `bf16`: products of matrices and attention in bf16 with accumulation in f32, over the variables as they are
   * stored; norms, softmax, loss, sums and optimizer in f32.
   */
  precision?: TorchPrecision
  /**
   * `auto` (default): programs of {@link COMPILE_FLOPS} and more go through torch.compile, smaller ones, which would be over before
   * they are compiled, run line by line. Where a compiler is missing all do, and the description says so.
   */
  compile?: CompileMode
  /** Interpreter (default: {@link findPython}). */
  python?: string
  /**
   * Longest time without an answer while one is awaited, compiling included (default 30 minutes); then the process is killed.
   * Python and torch may take {@link START_MS} to start, which is no part of it.
   */
  timeoutMs?: number
}

/** Milliseconds that importing torch may take, from a cold disk too. */
const START_MS = 300_000

type Payload = EngineMemory | string | null

interface Waiting {
  readonly request: Request['kind']
  resolve(answer: { value: Payload; blobs: readonly Uint8Array[] }): void
  reject(error: LabError): void
}

// `call` is filled in when a request is sent
type Unnumbered<T> = T extends { call: number } ? Omit<T, 'call'> : never

const composites = ['softmax', 'silu', 'rmsNorm', 'rotary', 'attention', 'attentionGrad', 'adamw']
const nativeOps: ReadonlySet<string> = new Set([...composites, 'linearCrossEntropy', 'linearCrossEntropyGrad'])

/** Floating-point operations from which on a program is compiled: a tenth of a second of a small CPU's time, against seconds to compile it. */
export const COMPILE_FLOPS = 1e10

/** How long an engine that is disposed may take to finish what it is at. */
const GOODBYE_MS = 5_000

/** PyTorch in a Python process of the user's. This side holds handles and forwards calls in order; see `worker.py`. */
export class TorchEngine implements Engine {
  readonly name = 'torch'
  readonly device: string
  readonly nativeOps = nativeOps
  readonly threads: number
  readonly precision: TorchPrecision
  readonly #compile: CompileMode
  readonly #worker: WorkerProcess
  readonly #timeoutMs: number
  readonly #waiting = new Map<number, Waiting>()
  readonly #loaded = new Map<string, Promise<number>>()
  readonly #programs = new Map<
    number,
    { readonly spec: ProgramSpec; readonly key: string; readonly ids: HostIds | null }
  >()
  readonly #variables = new Map<number, TensorSpec>()
  #found: WorkerDescription | null = null
  #timer: NodeJS.Timeout | null = null
  #nextCall = 0
  #nextId = 0
  #closed: LabError | null = null

  constructor(options: TorchEngineOptions = {}) {
    const { device = 'cpu', threads = defaultThreads(), precision = 'f32', compile = 'auto' } = options
    if (!Number.isInteger(threads) || threads < 1)
      throw new LabError('ENGINE', `torch: expected threads >= 1, got ${threads}`)
    this.device = device
    this.threads = threads
    this.precision = precision
    this.#compile = compile
    this.#timeoutMs = options.timeoutMs ?? 1_800_000
    this.#worker = new WorkerProcess(
      options.python ?? findPython(),
      { device, threads, precision, compile },
      { onResponse: (response, blobs) => this.#receive(response, blobs), onEnd: error => this.#end(error) },
    )
  }

  get ended(): LabError | null {
    return this.#closed
  }

  /** Complete once the process has answered a first call. */
  get description(): string {
    if (!this.#found) return `PyTorch (starting) on ${this.device}, ${this.precision}`
    const { torch, adapter, compiles, lacking, emulates, fused } = this.#found
    const where = adapter ?? (this.device === 'cpu' ? `cpu, ${this.threads} threads` : this.device)
    const how = compiles ? 'torch.compile' : lacking === null ? 'eager' : `eager, because torch.compile has ${lacking}`
    const precision = emulates
      ? `bf16 emulated (this ${adapter ? 'card' : 'processor'} has no instructions for it: f32 is faster)`
      : this.precision
    const attention = fused.length > 0 ? '' : ', attention without a fused kernel'
    return `PyTorch ${torch} on ${where}, ${precision}, ${how}${attention}`
  }

  /** Process id of the Python process; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#worker.pid
  }

  createVariable(spec: TensorSpec, init: VariableInit): number {
    const id = this.#nextId++
    if (init.kind === 'host') {
      const data = init.transfer ? init.data : copyOf(init.data)
      this.#send({ kind: 'createVariable', id, spec, init: { kind: 'host' } }, [bytesOf(data)])
    } else this.#send({ kind: 'createVariable', id, spec, init })
    this.#variables.set(id, spec)
    return id
  }

  async readVariable(variable: number): Promise<HostArray> {
    const { blobs } = await this.#call({ kind: 'readVariable', id: variable })
    return arrayOf(blobs[0]!, this.#variables.get(variable)!)
  }

  writeVariable(variable: number, data: HostArray): void {
    this.#send({ kind: 'writeVariable', id: variable }, [bytesOf(copyOf(data))])
  }

  disposeVariable(variable: number): void {
    if (this.#closed) return
    this.#send({ kind: 'disposeVariable', id: variable })
  }

  load(spec: ProgramSpec, key: string): Promise<number> {
    let loading = this.#loaded.get(key)
    if (!loading) {
      const id = this.#nextId++
      const compile = this.#compile === 'always' || (this.#compile === 'auto' && flopsOf(spec) >= COMPILE_FLOPS)
      loading = this.#call({ kind: 'load', id, spec: fuseCrossEntropy(spec), compile }).then(() => id)
      this.#loaded.set(key, loading)
      // a CUDA device that meets an id outside its rows is lost to the process, others read some row
      this.#programs.set(id, { spec, key, ids: this.device === 'cpu' ? null : new HostIds(spec) })
      // what failed once (no memory left) may work when it is asked for again
      loading.catch(() => {
        this.#loaded.delete(key)
        this.#programs.delete(id)
      })
    }
    return loading
  }

  unload(program: number): void {
    const known = this.#programs.get(program)
    if (!known || this.#closed) return
    this.#programs.delete(program)
    this.#loaded.delete(known.key)
    this.#send({ kind: 'unload', id: program })
  }

  async run(
    program: number,
    inputs: readonly HostArray[],
    variables: readonly number[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<HostArray[]> {
    if (signal?.aborted) throw new LabError('ABORTED', 'the run was aborted before it began')
    const known = this.#programs.get(program)
    if (!known) throw internal(`no program ${program}`)
    const { spec, ids } = known
    ids?.check(inputs)
    // a run may be asked for with arrays that the caller changes right after
    const copies = inputs.map(data => bytesOf(copyOf(data)))
    const { blobs } = await this.#call({ kind: 'run', id: program, variables }, copies)
    return blobs.map((blob, i) => arrayOf(blob, spec.values[spec.outputs[i]!]!))
  }

  /** The Python function that a loaded program has become. */
  async source(program: number): Promise<string> {
    return (await this.#call({ kind: 'source', id: program })).value as string
  }

  async memory(): Promise<EngineMemory> {
    return (await this.#call({ kind: 'memory' })).value as EngineMemory
  }

  workingBytes(programs: readonly ProgramSpec[]): WorkingBytes {
    return torchWorkingBytes(programs.map(fuseCrossEntropy), this.device === 'cpu' ? 'cpu' : 'other')
  }

  /** Lets the process finish what it is at for some seconds, then kills it. Resolves when it is gone. */
  async dispose(): Promise<void> {
    if (!this.#closed) {
      const closed = new LabError('ENGINE_CLOSED', 'torch: the engine was disposed before this was done')
      const timer = setTimeout(() => this.#worker.fail(closed), GOODBYE_MS)
      await this.#call({ kind: 'dispose' }).catch(() => undefined)
      clearTimeout(timer)
      this.#end(new LabError('ENGINE_CLOSED', 'torch: the engine has been disposed'))
    }
    this.#worker.kill()
    await this.#worker.exited()
  }

  #send(request: Request, blobs: readonly Uint8Array[] = []): void {
    if (this.#closed) throw this.#closed
    this.#worker.send(request, blobs)
  }

  #call(
    request: Unnumbered<Request>,
    blobs: readonly Uint8Array[] = [],
  ): Promise<{ value: Payload; blobs: readonly Uint8Array[] }> {
    const call = this.#nextCall++
    return new Promise((resolve, reject) => {
      try {
        this.#send({ ...request, call } as Request, blobs)
      } catch (error) {
        reject(error)
        return
      }
      this.#waiting.set(call, { request: request.kind, resolve, reject })
      // a process must not end while it awaits a result, and must be able to end when it does not
      this.#worker.ref()
      if (this.#waiting.size === 1) this.#watch()
    })
  }

  /** Starts the clock anew, or stops it when nothing is awaited. */
  #watch(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    const oldest = this.#waiting.values().next().value
    const ms = this.#found ? this.#timeoutMs : Math.max(this.#timeoutMs, START_MS)
    if (oldest) this.#timer = setTimeout(() => this.#hangs(oldest.request, ms), ms).unref()
  }

  #hangs(request: string, ms: number): void {
    const seconds = Math.round(ms / 1000)
    const message = `torch: the Python process has not answered "${request}" for ${seconds} s and was killed${this.#worker.lastWords()}`
    this.#worker.fail(new LabError('ENGINE', message))
  }

  #receive(response: Response, blobs: readonly Uint8Array[]): void {
    if (response.kind === 'ready') {
      this.#found = response
      this.#watch()
      return
    }
    if (response.kind === 'fatal') return
    const waiting = this.#waiting.get(response.call)
    this.#waiting.delete(response.call)
    this.#watch()
    if (this.#waiting.size === 0) this.#worker.unref()
    if (response.kind === 'answer') waiting?.resolve({ value: response.value, blobs })
    else waiting?.reject(new LabError(response.code, response.message))
  }

  /** The engine is gone: everything that waits, and every later call, is told why. */
  #end(error: LabError): void {
    this.#closed ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#closed)
    this.#waiting.clear()
    this.#watch()
    this.#worker.unref()
  }
}

function bytesOf(data: HostArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}

function arrayOf(bytes: Uint8Array, { dtype }: TensorSpec): HostArray {
  return viewAs(dtype, bytes.buffer, bytes.byteOffset, bytes.byteLength / bytesPerElement[dtype])
}
