/** Finds and starts tfjs, only when it is asked for: the library itself starts without it. */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type * as Tfjs from '@tensorflow/tfjs-core'
import { LabError, messageOf } from '../../util/errors.js'
import { didYouMean } from '../../util/nearest.js'

/** The namespace of tfjs: `tf.relu`, `tf.memory`, `tf.setBackend`, ... */
export type Tf = typeof Tfjs
export type TfTensor = Tfjs.Tensor

const VERSION = '4.22.0'
const GPU_PACKAGE = '@tensorflow/tfjs-node-gpu'

/** Names the folder whose `node_modules` holds tfjs-node-gpu, where it lies neither beside this package nor beside the caller. */
export const NODE_GPU_FOLDER = 'LLAMA_PRO_TFJS_NODE'

const require = createRequire(import.meta.url)
let core: Tf | null = null
let native: Tf | null = null

/**
 * tfjs-core with its wasm and cpu backends registered, at once. The current backend becomes `cpu` unless one is set
 * already: wasm is started asynchronously, by {@link startBackend}.
 */
export function tfjsCore(): Tf {
  if (core) return core
  core = require('@tensorflow/tfjs-core') as Tf
  require('@tensorflow/tfjs-backend-cpu')
  require('@tensorflow/tfjs-backend-wasm')
  quietCpu(core)
  // without a backend set, the first op would ask for the best one, and wasm is not ready
  if (!core.getBackend()) void core.setBackend('cpu')
  return core
}

/** The cpu backend advertises tfjs-node on the console at its first tensor; the lab has its own `doctor` for that. */
function quietCpu(tf: Tf): void {
  const cpu = tf.findBackend('cpu') as unknown as { firstUse: boolean }
  cpu.firstUse = false
}

/**
 * Makes `backend` tfjs's current one, waiting until it has started.
 * @throws LabError DEVICE when no backend of that name is registered or it cannot start
 */
export async function startBackend(tf: Tf, backend: string): Promise<void> {
  const registered = tf.engine().backendNames()
  if (!registered.includes(backend)) {
    throw new LabError(
      'DEVICE',
      `tfjs has no backend "${backend}"; registered are ${registered.join(', ')}. Register your own with tf.registerBackend first.${didYouMean(backend, registered)}`,
    )
  }
  if (!(await keepingProcessListeners(() => tf.setBackend(backend)))) {
    throw new LabError('DEVICE', `tfjs: the backend "${backend}" could not start`)
  }
  if (backend === 'wasm') guardMalloc(tf)
}

const processEvents = ['uncaughtException', 'unhandledRejection'] as const

/** The wasm module makes every error that nobody has caught end the process, other people's too: not in a notebook. */
async function keepingProcessListeners<T>(work: () => Promise<T>): Promise<T> {
  const before = processEvents.map(event => new Set<unknown>(process.listeners(event as 'uncaughtException')))
  const result = await work()
  for (const [i, event] of processEvents.entries()) {
    for (const listener of process.listeners(event as 'uncaughtException')) {
      const isModules = /ExitStatus|throw reason/.test(String(listener))
      if (isModules && !before[i]!.has(listener)) process.removeListener(event, listener)
    }
  }
  return result
}

interface WasmModule {
  _malloc: ((bytes: number) => number) & { guarded?: true }
}

/** Sizes from here on are negative numbers to the kernels. */
const TENSOR_BYTES = 2 ** 31

/** The wasm backend takes address 0 of a failed allocation for memory and overwrites itself; this makes it an error. */
function guardMalloc(tf: Tf): void {
  const { wasm } = tf.backend() as unknown as { wasm: WasmModule }
  const malloc = wasm._malloc
  if (malloc.guarded) return
  const guarded = (bytes: number) => {
    const address = bytes < TENSOR_BYTES ? malloc(bytes) : 0
    if (address === 0 && bytes > 0) {
      throw new LabError(
        'OUT_OF_MEMORY',
        `tfjs wasm: no room for ${bytes} bytes beside the ${tf.memory().numBytes} in use; its memory ends at 4 GiB, one tensor at 2. Use a smaller batch, rows or model, or another device.`,
      )
    }
    return address
  }
  wasm._malloc = Object.assign(guarded, { guarded: true as const })
}

/** How to get TensorFlow's native library under tfjs, and what it needs. */
export const nodeGpuAdvice = `install it with: npm install ${GPU_PACKAGE}@${VERSION} (Linux or Windows on x64, NVIDIA driver newer than 450, CUDA 11.2, cuDNN 8.1; its install script downloads libtensorflow 2.9.1). Where it lies in another folder, set ${NODE_GPU_FOLDER} to the folder of its node_modules`

/** Whether the optional package is there; throws what is to be done when it is not. @throws LabError PACKAGE_MISSING */
export function requireNodeGpu(): string {
  const folder = process.env[NODE_GPU_FOLDER]
  const places = folder ? [folder] : [null, process.cwd()]
  for (const place of places) {
    const from = place === null ? require : createRequire(join(place, 'package.json'))
    try {
      return from.resolve(GPU_PACKAGE)
    } catch {
      // not here: the next place, and the error below when none is left
    }
  }
  throw new LabError(
    'PACKAGE_MISSING',
    `${GPU_PACKAGE} is not installed${folder ? ` in ${folder}` : ''}; ${nodeGpuAdvice}.`,
  )
}

/**
 * tfjs over TensorFlow's native library (backend `tensorflow`).
 * @throws LabError PACKAGE_MISSING when the optional package is absent, ENGINE when its native part does not load
 */
export function tfjsNode(): Tf {
  if (native) return native
  const path = requireNodeGpu()
  shimUtil()
  try {
    native = require(path) as Tf
  } catch (error) {
    throw new LabError('ENGINE', `${GPU_PACKAGE} is there but does not load: ${messageOf(error)}; ${nodeGpuAdvice}.`)
  }
  return native
}

/** tfjs-node 4.22.0 calls two functions that Node 23 has removed. */
export function shimUtil(): void {
  const util = require('node:util') as Record<string, unknown>
  util['isNullOrUndefined'] ??= (value: unknown) => value === null || value === undefined
  util['isArray'] ??= Array.isArray
}

/** Whether TensorFlow's native library computes on a GPU. */
export function usesGpu(tf: Tf): boolean {
  return (tf.backend() as unknown as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true
}
