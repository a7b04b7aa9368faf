/** From the name of a device to an engine: which tfjs, which backend, and what is said about the choice. */
import { LabError } from '../../util/errors.js'
import { WorkerEngine } from '../worker-engine.js'
import { TfjsEngine, tfjsWorkingBytes } from './engine.js'
import { allKernels, nativeOps } from './kernels.js'
import { nodeGpuAdvice, requireNodeGpu, startBackend, type Tf, tfjsCore, tfjsNode, usesGpu } from './load.js'
import { missingKernels } from './program.js'

/** `tfjs` takes wasm, or cpu where wasm lacks a kernel; `tfjs:node` is TensorFlow's native library on whatever it finds, `tfjs-gpu` only on a GPU. */
export const tfjsDevices = ['tfjs', 'tfjs:wasm', 'tfjs:cpu', 'tfjs:node', 'tfjs-gpu'] as const
export type TfjsDevice = (typeof tfjsDevices)[number]

/**
 * An engine in a worker thread of its own: a product of two large matrices is one kernel and would hold up the calling
 * thread for seconds.
 * @throws LabError PACKAGE_MISSING at once when the device needs @tensorflow/tfjs-node-gpu and it is not installed
 */
export function tfjsEngine(device: TfjsDevice): WorkerEngine {
  if (device === 'tfjs-gpu' || device === 'tfjs:node') requireNodeGpu()
  return new WorkerEngine({
    name: 'tfjs',
    device: device.replace(/^tfjs[:-]?/, '') || 'wasm',
    nativeOps,
    widensHalf: true,
    module: new URL('./worker.js', import.meta.url),
    workerData: device,
    workingBytes: tfjsWorkingBytes,
  })
}

/** Starts the device on the calling thread. @throws LabError DEVICE when it cannot be had; nothing else is taken instead */
export async function startTfjs(device: TfjsDevice): Promise<TfjsEngine> {
  const engine = await chosen(device)
  await engine.ready()
  return engine
}

async function chosen(device: TfjsDevice): Promise<TfjsEngine> {
  if (device === 'tfjs:cpu') return new TfjsEngine({ backend: 'cpu' })
  if (device === 'tfjs:wasm') return new TfjsEngine({ backend: 'wasm' })
  if (device !== 'tfjs') return nativeEngine(device)
  const tf = tfjsCore()
  const missing = missingKernels(tf, 'wasm', allKernels())
  if (missing.length === 0) return new TfjsEngine({ tf, backend: 'wasm' })
  return new TfjsEngine({ tf, backend: 'cpu', note: `wasm lacks ${missing.join(', ')}` })
}

async function nativeEngine(device: TfjsDevice): Promise<TfjsEngine> {
  const tf = tfjsNode()
  await startBackend(tf, 'tensorflow')
  if (device === 'tfjs-gpu' && !usesGpu(tf)) {
    throw new LabError(
      'DEVICE',
      `tfjs-gpu: TensorFlow ${nativeVersion(tf)} finds no GPU that it can use; ${nodeGpuAdvice}. The same library on the CPU is tfjs:node.`,
    )
  }
  return new TfjsEngine({
    tf,
    backend: 'tensorflow',
    note: `TensorFlow ${nativeVersion(tf)}${usesGpu(tf) ? ', GPU' : ', CPU'}`,
  })
}

function nativeVersion(tf: Tf): string {
  const { binding } = tf.backend() as unknown as { binding: { TF_Version: string } }
  return binding.TF_Version
}
