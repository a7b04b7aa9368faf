import { availableParallelism } from 'node:os'
import type { TransferListItem, Worker } from 'node:worker_threads'
import type { HostArray } from '../../tensor/dtype.js'
import type { Engine, EngineMemory, VariableInit, WorkingBytes } from '../../tensor/engine.js'
import type { TensorSpec } from '../../tensor/graph.js'
import type { ProgramSpec } from '../../tensor/lower.js'
import { LabError } from '../../util/errors.js'
import { spawnWorker } from '../../util/worker.js'
import { nativeOps } from './emit.js'
import type { Answer, Request, Response, WorkerOptions } from './protocol.js'
import { onnxWorkingBytes } from './working-bytes.js'

export interface OnnxEngineOptions {
  /** Threads that compute (default: one a core). Results are the same bits for the same number of threads. */
  threads?: number
  /** Write onnxruntime profiles of every program to files of this prefix (default: none). */
  profilePrefix?: string | null
}

interface Waiting {
  resolve(value: Answer): void
  reject(error: LabError): void
}

// `call` is filled in when a request is sent
type Unnumbered<T> = T extends { call: number } ? Omit<T, 'call'> : never

/** onnxruntime has one environment a process, and it keeps the thread pool that it was first given. */
let processThreads: number | null = null

/** Takes the process's number of threads, which every engine on onnxruntime has to share. @throws LabError ENGINE when it is another one */
export function claimThreads(threads: number): number {
  if (!Number.isInteger(threads) || threads < 1)
    throw new LabError('ENGINE', `onnx: expected threads >= 1, got ${threads}`)
  processThreads ??= threads
  if (processThreads === threads) return threads
  throw new LabError(
    'ENGINE',
    `onnx: this process already computes with ${processThreads} threads and cannot change to ${threads}; use a new process`,
  )
}

/** onnxruntime on the CPU, in a worker thread. This side only holds handles and forwards calls in order. */
export class OnnxEngine implements Engine {
  readonly name = 'onnx'
  readonly device = 'cpu'
  readonly nativeOps = nativeOps
  readonly threads: number
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #loaded = new Map<string, Promise<number>>()
  #version = 'starting'
  #nextCall = 0
  #nextId = 0
  #closed: LabError | null = null

  /** @throws LabError ENGINE when an engine of this process already computes with another number of threads */
  constructor({ threads = availableParallelism(), profilePrefix = null }: OnnxEngineOptions = {}) {
    this.threads = claimThreads(threads)
    const workerData: WorkerOptions = { threads, profilePrefix }
    this.#worker = spawnWorker(new URL('./worker.js', import.meta.url), { workerData })
    this.#worker.unref()
    this.#worker.on('message', (response: Response) => this.#receive(response))
    this.#worker.on('error', error => this.#fail(new LabError('ENGINE', `onnx: the worker failed: ${error.message}`)))
    this.#worker.on('exit', code => this.#fail(new LabError('ENGINE', `onnx: the worker ended with code ${code}`)))
  }

  get description(): string {
    return `onnxruntime ${this.#version} on cpu, ${this.threads} threads, f32`
  }

  createVariable(spec: TensorSpec, init: VariableInit): number {
    const id = this.#nextId++
    if (init.kind !== 'host') this.#send({ kind: 'createVariable', id, spec, init })
    else {
      const data = init.transfer ? init.data : init.data.slice()
      this.#send({ kind: 'createVariable', id, spec, init: { kind: 'host', data } }, [data.buffer as ArrayBuffer])
    }
    return id
  }

  async readVariable(variable: number): Promise<HostArray> {
    return (await this.#call({ kind: 'readVariable', id: variable })) as HostArray
  }

  writeVariable(variable: number, data: HostArray): void {
    const copy = data.slice()
    this.#send({ kind: 'writeVariable', id: variable, data: copy }, [copy.buffer as ArrayBuffer])
  }

  disposeVariable(variable: number): void {
    if (!this.#closed) this.#send({ kind: 'disposeVariable', id: variable })
  }

  load(spec: ProgramSpec, key: string): Promise<number> {
    let loading = this.#loaded.get(key)
    if (!loading) {
      const id = this.#nextId++
      loading = this.#call({ kind: 'load', id, spec }).then(() => id)
      this.#loaded.set(key, loading)
      // what failed once (no memory left) may work when it is asked for again
      loading.catch(() => this.#loaded.delete(key))
    }
    return loading
  }

  async run(
    program: number,
    inputs: readonly HostArray[],
    variables: readonly number[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<HostArray[]> {
    if (signal?.aborted) throw new LabError('ABORTED', 'the run was aborted before it began')
    return (await this.#call({ kind: 'run', id: program, inputs, variables })) as HostArray[]
  }

  async memory(): Promise<EngineMemory> {
    return (await this.#call({ kind: 'memory' })) as EngineMemory
  }

  workingBytes(programs: readonly ProgramSpec[]): WorkingBytes {
    return onnxWorkingBytes(programs)
  }

  async dispose(): Promise<void> {
    if (this.#closed) return
    await this.#call({ kind: 'dispose' })
    this.#fail(new LabError('ENGINE_CLOSED', 'onnx: the engine has been disposed'))
    await this.#worker.terminate()
  }

  #send(request: Request, transfer: TransferListItem[] = []): void {
    if (this.#closed) throw this.#closed
    this.#worker.postMessage(request, transfer)
  }

  #call(request: Unnumbered<Request>): Promise<Answer> {
    const call = this.#nextCall++
    return new Promise((resolve, reject) => {
      try {
        this.#send({ ...request, call } as Request)
      } catch (error) {
        reject(error)
        return
      }
      this.#waiting.set(call, { resolve, reject })
      // a process must not end while it awaits a result, and must be able to end when it does not
      this.#worker.ref()
    })
  }

  #receive(response: Response): void {
    if (response.kind === 'ready') this.#version = response.version
    else if (response.kind === 'fatal') this.#fail(new LabError(response.code, response.message))
    else {
      const waiting = this.#waiting.get(response.call)
      this.#waiting.delete(response.call)
      if (this.#waiting.size === 0) this.#worker.unref()
      if (response.kind === 'answer') waiting?.resolve(response.value)
      else waiting?.reject(new LabError(response.code, response.message))
    }
  }

  /** The engine is gone: everything that waits, and every later call, is told why. */
  #fail(error: LabError): void {
    this.#closed ??= error
    for (const { reject } of this.#waiting.values()) reject(this.#closed)
    this.#waiting.clear()
    this.#worker.unref()
  }
}
