/** From the name of a WebGPU device to an engine. */
import { availableParallelism } from 'node:os'
import { claimThreads } from '../onnx/engine.js'
import { WorkerEngine } from '../worker-engine.js'
import { type Adapter, openAdapter, type WebGpuDevice } from './adapter.js'
import { nativeOps } from './emit.js'
import { deviceWorkingBytes } from './working-bytes.js'

export interface WebGpuOptions {
  /** Threads of the process's onnxruntime (default: one a core); the device computes without them. */
  threads?: number
  /** Write onnxruntime profiles of every program to files of this prefix (default: none). */
  profilePrefix?: string | null
}

/** Handed to the worker at its start. */
export interface WebGpuWorkerData {
  readonly adapter: Adapter
  readonly threads: number
  readonly profilePrefix: string | null
}

/**
 * onnxruntime's WebGPU provider in a worker thread, because a run holds up the thread that it is called on.
 * @throws LabError DEVICE at once when there is no such adapter; nothing else is taken instead
 */
export function webGpuEngine(
  device: WebGpuDevice,
  { threads = availableParallelism(), profilePrefix = null }: WebGpuOptions = {},
): WorkerEngine {
  const workerData: WebGpuWorkerData = { adapter: openAdapter(device), threads: claimThreads(threads), profilePrefix }
  return new WorkerEngine({
    name: 'onnx',
    device,
    nativeOps,
    module: new URL('./worker.js', import.meta.url),
    workerData,
    workingBytes: deviceWorkingBytes,
  })
}
