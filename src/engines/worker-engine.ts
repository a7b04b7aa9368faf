import type { TransferListItem, Worker } from 'node:worker_threads'
import { copyOf, type HostArray } from '../tensor/dtype.js'
import type { Engine, EngineMemory, VariableInit, WorkingBytes } from '../tensor/engine.js'
import type { TensorSpec } from '../tensor/graph.js'
import type { ProgramSpec } from '../tensor/lower.js'
import { LabError } from '../util/errors.js'
import { spawnWorker } from '../util/worker.js'
import type { Answer, Request, Response } from './worker-protocol.js'

export interface WorkerEngineOptions {
  /** Name of the engine, and the device until the worker has said which one it took. */
  readonly name: string
  readonly device: string
  readonly nativeOps: ReadonlySet<string>
  /** As in {@link Engine} (default false). */
  readonly widensHalf?: boolean
  /** Module of the worker: it calls `hostEngine`. */
  readonly module: URL
  /** Handed to the worker as its `workerData`. */
  readonly workerData: unknown
  workingBytes(programs: readonly ProgramSpec[]): WorkingBytes
}

interface Waiting {
  resolve(value: Answer): void
  reject(error: LabError): void
}

// `call` is filled in when a request is sent
type Unnumbered<T> = T extends { call: number } ? Omit<T, 'call'> : never

/** An engine that lives in a worker thread, so that prompts, sockets and signals stay alive while it computes. */
export class WorkerEngine implements Engine {
  readonly name: string
  readonly nativeOps: ReadonlySet<string>
  readonly widensHalf: boolean
  readonly workingBytes: (programs: readonly ProgramSpec[]) => WorkingBytes
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #loaded = new Map<string, Promise<number>>()
  readonly #keys = new Map<number, string>()
  #device: string
  #description: string
  #nextCall = 0
  #nextId = 0
  #closed: LabError | null = null
  #disposing: Promise<void> | null = null

  constructor({ name, device, nativeOps, widensHalf = false, module, workerData, workingBytes }: WorkerEngineOptions) {
    this.name = name
    this.widensHalf = widensHalf
    this.nativeOps = nativeOps
    this.workingBytes = workingBytes
    this.#device = device
    this.#description = `${name} on ${device}, starting`
    this.#worker = spawnWorker(module, { workerData })
    this.#worker.unref()
    this.#worker.on('message', (response: Response) => this.#receive(response))
    this.#worker.on('error', error =>
      this.#fail(new LabError('ENGINE', `${name}: the worker failed: ${error.message}`)),
    )
    this.#worker.on('exit', code => this.#fail(new LabError('ENGINE', `${name}: the worker ended with code ${code}`)))
  }

  get ended(): LabError | null {
    return this.#closed
  }

  get device(): string {
    return this.#device
  }

  get description(): string {
    return this.#description
  }

  createVariable(spec: TensorSpec, init: VariableInit): number {
    const id = this.#nextId++
    if (init.kind !== 'host') this.#send({ kind: 'createVariable', id, spec, init })
    else {
      const data = init.transfer ? init.data : copyOf(init.data)
      this.#send({ kind: 'createVariable', id, spec, init: { kind: 'host', data } }, [data.buffer as ArrayBuffer])
    }
    return id
  }

  async readVariable(variable: number): Promise<HostArray> {
    return (await this.#call({ kind: 'readVariable', id: variable })) as HostArray
  }

  writeVariable(variable: number, data: HostArray): void {
    const copy = copyOf(data)
    this.#send({ kind: 'writeVariable', id: variable, data: copy }, [copy.buffer as ArrayBuffer])
  }

  disposeVariable(variable: number): void {
    if (!this.#closed) this.#send({ kind: 'disposeVariable', id: variable })
  }

  load(spec: ProgramSpec, key: string): Promise<number> {
    let loading = this.#loaded.get(key)
    if (!loading) {
      loading = this.#call({ kind: 'load', spec, key }) as Promise<number>
      this.#loaded.set(key, loading)
      // what failed once (no memory left) may work when it is asked for again
      loading.then(
        program => this.#keys.set(program, key),
        () => this.#loaded.delete(key),
      )
    }
    return loading
  }

  unload(program: number): void {
    const key = this.#keys.get(program)
    if (key === undefined || this.#closed) return
    this.#keys.delete(program)
    this.#loaded.delete(key)
    this.#send({ kind: 'unload', program })
  }

  async run(
    program: number,
    inputs: readonly HostArray[],
    variables: readonly number[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<HostArray[]> {
    if (signal?.aborted) throw new LabError('ABORTED', 'the run was aborted before it began')
    const call = this.#nextCall
    const abort = () => {
      if (!this.#closed) this.#send({ kind: 'abort', run: call })
    }
    signal?.addEventListener('abort', abort, { once: true })
    try {
      return (await this.#call({ kind: 'run', program, inputs, variables })) as HostArray[]
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  async memory(): Promise<EngineMemory> {
    return (await this.#call({ kind: 'memory' })) as EngineMemory
  }

  dispose(): Promise<void> {
    this.#disposing ??= this.#end()
    return this.#disposing
  }

  async #end(): Promise<void> {
    if (!this.#closed) {
      await this.#call({ kind: 'dispose' }).catch((error: unknown) => {
        // one that ends by itself meanwhile has freed what it held
        if (!this.#closed) throw error
      })
    }
    this.#fail(new LabError('ENGINE_CLOSED', `${this.name}: the engine has been disposed`))
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
    if (response.kind === 'ready') {
      this.#device = response.device
      this.#description = response.description
    } else if (response.kind === 'fatal') this.#fail(new LabError(response.code, response.message))
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
