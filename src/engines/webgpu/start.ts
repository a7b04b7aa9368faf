/** From the name of a WebGPU device to an engine. */
import type { ProgramSpec } from '../../tensor/lower.js'
import { LabError } from '../../util/errors.js'
import { defaultThreads } from '../../util/threads.js'
import { claimThreads } from '../onnx/engine.js'
import { WorkerEngine } from '../worker-engine.js'
import { type Adapter, openAdapter, requireF16, type WebGpuDevice } from './adapter.js'
import { type DevicePrecision, nativeOps } from './emit.js'
import { deviceWorkingBytes } from './working-bytes.js'

export interface WebGpuOptions {
  /** Default `f32`. `f16` needs an adapter with the WebGPU feature `shader-f16`. */
  precision?: DevicePrecision
  /** Threads of the process's onnxruntime (default: `LLAMA_PRO_THREADS`, else one a core); the device computes without them. */
  threads?: number
  /** Write onnxruntime profiles of every program to files of this prefix (default: none). */
  profilePrefix?: string | null
}

/** Handed to the worker at its start. */
export interface WebGpuWorkerData {
  readonly adapter: Adapter
  readonly precision: DevicePrecision
  readonly threads: number
  readonly profilePrefix: string | null
}

/** onnxruntime's sessions on the device share a queue and buffers that two threads must not use at once. */
let living: WebGpuWorkerEngine | null = null

/** onnxruntime's WebGPU provider in a worker thread, because a run holds up the thread that it is called on. */
class WebGpuWorkerEngine extends WorkerEngine {
  readonly precision: DevicePrecision

  constructor(device: WebGpuDevice, workerData: WebGpuWorkerData) {
    const module = new URL('./worker.js', import.meta.url)
    const { precision } = workerData
    const workingBytes = (programs: readonly ProgramSpec[]) => deviceWorkingBytes(programs, precision)
    super({ name: 'onnx', device, nativeOps, widensHalf: true, module, workerData, workingBytes })
    this.precision = precision
  }

  override async dispose(): Promise<void> {
    await super.dispose()
    if (living === this) living = null
  }
}

/**
 * Starts the engine of a WebGPU device; the caller disposes it. A process has one at a time.
 * @throws LabError DEVICE at once when there is no such adapter, and nothing else is taken instead; PRECISION when it does not
 *   compute in f16 and that is asked for; ENGINE while another engine of this kind lives
 */
export function webGpuEngine(
  device: WebGpuDevice,
  { precision = 'f32', threads = defaultThreads(), profilePrefix = null }: WebGpuOptions = {},
): WorkerEngine {
  if (living && !living.ended) {
    throw new LabError('ENGINE', `${device}: this process already has an engine on ${living.device}; dispose it first`)
  }
  const adapter = openAdapter(device)
  if (precision === 'f16') requireF16(device, adapter)
  living = new WebGpuWorkerEngine(device, { adapter, precision, threads: claimThreads(threads), profilePrefix })
  return living
}
