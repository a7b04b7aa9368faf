import { LabError } from '../../util/errors.js'
import { defaultThreads } from '../../util/threads.js'
import { WorkerEngine } from '../worker-engine.js'
import { nativeOps } from './emit.js'
import { onnxWorkingBytes } from './working-bytes.js'

export interface OnnxEngineOptions {
  /** Threads that compute (default: `LLAMA_PRO_THREADS`, else one a core). Results are the same bits for the same number of threads. */
  threads?: number
  /** Write onnxruntime profiles of every program to files of this prefix (default: none). */
  profilePrefix?: string | null
}

/** Handed to the worker at its start. */
export type OnnxWorkerData = Readonly<Required<OnnxEngineOptions>>

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

/** onnxruntime on the CPU, in a worker thread. */
export class OnnxEngine extends WorkerEngine {
  readonly threads: number

  /** @throws LabError ENGINE when an engine of this process already computes with another number of threads */
  constructor({ threads = defaultThreads(), profilePrefix = null }: OnnxEngineOptions = {}) {
    const workerData: OnnxWorkerData = { threads: claimThreads(threads), profilePrefix }
    super({
      name: 'onnx',
      device: 'cpu',
      nativeOps,
      module: new URL('./worker.js', import.meta.url),
      workerData,
      workingBytes: onnxWorkingBytes,
    })
    this.threads = threads
  }
}
