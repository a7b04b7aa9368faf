/**
 * onnxruntime's C API, called directly in the shared library that the onnxruntime-node package ships. The package's own
 * JavaScript binding copies every output of a run into fresh memory (about 0.6 ms a megabyte), has no bf16 tensors and
 * gives each session its own spinning thread pool; through the C API a weight is updated in place, all programs share
 * one pool and one arena, and weights may be fed in any element type.
 */
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import koffi from 'koffi'
import type { HostArray } from '../../tensor/dtype.js'
import { LabError, messageOf } from '../../util/errors.js'
import { MAX_DEAD_BYTES } from './arena.js'
import { type OnnxSpec, onnxDataType } from './model-builder.js'

/** An address in this process. */
export type Pointer = bigint

/** Version of the function table below; a table only ever grows, so any newer library serves it. */
const API_VERSION = 20

/** Positions in the OrtApi function table (onnxruntime_c_api.h), with result and parameters. */
const functions = {
  GetErrorMessage: [2, 'const char *', ['void *']],
  CreateEnv: [3, 'void *', ['int', 'const char *', 'void *']],
  CreateSessionFromArray: [8, 'void *', ['void *', 'void *', 'size_t', 'void *', 'void *']],
  Run: [9, 'void *', ['void *', 'void *', 'void *', 'void *', 'size_t', 'void *', 'size_t', 'void *']],
  CreateSessionOptions: [10, 'void *', ['void *']],
  EnableProfiling: [14, 'void *', ['void *', 'const char *']],
  DisableMemPattern: [17, 'void *', ['void *']],
  SetSessionGraphOptimizationLevel: [23, 'void *', ['void *', 'int']],
  SetIntraOpNumThreads: [24, 'void *', ['void *', 'int']],
  CreateTensorWithDataAsOrtValue: [49, 'void *', ['void *', 'void *', 'size_t', 'void *', 'size_t', 'int', 'void *']],
  CreateCpuMemoryInfo: [69, 'void *', ['int', 'int', 'void *']],
  ReleaseEnv: [92, 'void', ['void *']],
  ReleaseStatus: [93, 'void', ['void *']],
  ReleaseMemoryInfo: [94, 'void', ['void *']],
  ReleaseSession: [95, 'void', ['void *']],
  ReleaseValue: [96, 'void', ['void *']],
  ReleaseSessionOptions: [100, 'void', ['void *']],
  CreateEnvWithGlobalThreadPools: [119, 'void *', ['int', 'const char *', 'void *', 'void *']],
  DisablePerSessionThreads: [120, 'void *', ['void *']],
  CreateThreadingOptions: [121, 'void *', ['void *']],
  ReleaseThreadingOptions: [122, 'void', ['void *']],
  AddSessionConfigEntry: [130, 'void *', ['void *', 'const char *', 'const char *']],
  CreateAndRegisterAllocator: [144, 'void *', ['void *', 'void *', 'void *']],
  SetGlobalIntraOpNumThreads: [147, 'void *', ['void *', 'int']],
  SetGlobalInterOpNumThreads: [148, 'void *', ['void *', 'int']],
  CreateArenaCfg: [156, 'void *', ['size_t', 'int', 'int', 'int', 'void *']],
  ReleaseArenaCfg: [157, 'void', ['void *']],
} as const satisfies Record<string, Signature>

type Name = keyof typeof functions
type Argument = Pointer | number | string | ArrayBufferView | null
export type Call = (...args: Argument[]) => unknown

/** Position in the function table, result, parameters. */
export type Signature = readonly [number, string, readonly string[]]

/** The shared library of the installed onnxruntime-node package. */
export function libraryPath(): string {
  const root = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))
  const names: Record<string, string> = {
    linux: 'libonnxruntime.so.1',
    darwin: 'libonnxruntime.1.dylib',
    win32: 'onnxruntime.dll',
  }
  const name = names[process.platform]
  if (!name) throw new LabError('ENGINE', `onnxruntime-node has no binaries for ${process.platform}`)
  return join(root, 'bin', 'napi-v6', process.platform, process.arch, name)
}

/** The API of the loaded library with one environment: a global thread pool and a CPU arena that all sessions share. */
export class OrtApi {
  /** onnxruntime's own version. */
  readonly version: string
  /** Held, because koffi unloads a library that is garbage: the next call would then run into unmapped memory. */
  readonly #library: ReturnType<typeof koffi.load>
  readonly #table: Pointer
  readonly #calls: Record<Name, Call>
  readonly #memoryInfo: Pointer
  readonly #environment: Pointer

  constructor(readonly threads: number) {
    this.#library = loadLibrary()
    const base = this.#library.func('OrtGetApiBase', 'void *', [])() as Pointer
    this.version = callable(pointerAt(base, 1), 'const char *', [])() as string
    const table = callable(pointerAt(base, 0), 'void *', ['uint32_t'])(API_VERSION) as Pointer | null
    if (!table) throw new LabError('ENGINE', `onnxruntime ${this.version} does not offer C API version ${API_VERSION}`)
    this.#table = table
    this.#calls = this.functions(functions)
    this.#environment = this.#createEnvironment()
    this.#memoryInfo = this.#create('CreateCpuMemoryInfo', ARENA_ALLOCATOR, 0)
    // grow by what is asked for, not to the next power of two: the peak of a step is then close to what it needs
    const arena = this.#create('CreateArenaCfg', 0, SAME_AS_REQUESTED, -1, MAX_DEAD_BYTES)
    this.#check('CreateAndRegisterAllocator', this.#environment, this.#memoryInfo, arena)
    this.#calls.ReleaseArenaCfg(arena)
  }

  /** Gives the arena back, once all tensors and sessions have been released and the last environment of the process goes. */
  dispose(): void {
    this.#calls.ReleaseMemoryInfo(this.#memoryInfo)
    this.#calls.ReleaseEnv(this.#environment)
  }

  get environment(): Pointer {
    return this.#environment
  }

  /** Functions of the table, for modules that drive more of the API; what they return goes through {@link OrtApi.check}. */
  functions<N extends string>(signatures: Readonly<Record<N, Signature>>): Record<N, Call> {
    const found = Object.entries<Signature>(signatures).map(([name, [index, result, args]]) => [
      name,
      callable(pointerAt(this.#table, index), result, args),
    ])
    return Object.fromEntries(found) as Record<N, Call>
  }

  /** @throws LabError OUT_OF_MEMORY or ENGINE when a call returned an error, whose memory is freed */
  check(name: string, status: unknown): void {
    if (!status) return
    const message = String(this.#calls.GetErrorMessage(status as Pointer))
    this.#calls.ReleaseStatus(status as Pointer)
    const code = noMemory.test(message) ? 'OUT_OF_MEMORY' : 'ENGINE'
    throw new LabError(code, `onnxruntime ${name}: ${message}`)
  }

  /** Compiles an ONNX model. `config` are session configuration entries. */
  createSession(model: Uint8Array, config: Readonly<Record<string, string>>, profilePrefix?: string): Pointer {
    const options = this.#create('CreateSessionOptions')
    try {
      if (this.threads > 1) this.#check('DisablePerSessionThreads', options)
      else this.#check('SetIntraOpNumThreads', options, 1)
      this.#check('DisableMemPattern', options)
      this.#check('SetSessionGraphOptimizationLevel', options, NO_OPTIMIZATIONS)
      for (const [key, value] of Object.entries(config)) this.#check('AddSessionConfigEntry', options, key, value)
      if (profilePrefix) this.#check('EnableProfiling', options, profilePrefix)
      return this.#create('CreateSessionFromArray', this.#environment, model, model.byteLength, options)
    } finally {
      this.#calls.ReleaseSessionOptions(options)
    }
  }

  /** An OrtValue over the elements of `data`, which it borrows: keep `data` alive, and release the value. */
  createTensor(data: HostArray, { shape, dtype }: OnnxSpec): Pointer {
    const dims = BigInt64Array.from(shape, BigInt)
    return this.#create(
      'CreateTensorWithDataAsOrtValue',
      this.#memoryInfo,
      data,
      data.byteLength,
      dims,
      dims.length,
      onnxDataType[dtype],
    )
  }

  /** Runs a session; arrays are of C pointers. Outputs are written into the tensors given. */
  run(
    session: Pointer,
    names: { inputs: BigUint64Array; outputs: BigUint64Array },
    inputs: BigUint64Array,
    outputs: BigUint64Array,
  ): void {
    this.#check('Run', session, null, names.inputs, inputs, inputs.length, names.outputs, outputs.length, outputs)
  }

  releaseTensor(value: Pointer): void {
    this.#calls.ReleaseValue(value)
  }

  releaseSession(session: Pointer): void {
    this.#calls.ReleaseSession(session)
  }

  /** onnxruntime crashes with a global pool of one thread: then there is none, and sessions compute on the calling thread. */
  #createEnvironment(): Pointer {
    if (this.threads === 1) return this.#create('CreateEnv', LOG_FATAL, 'llama-pro-lab')
    const threading = this.#create('CreateThreadingOptions')
    this.#check('SetGlobalIntraOpNumThreads', threading, this.threads)
    this.#check('SetGlobalInterOpNumThreads', threading, 1)
    try {
      return this.#create('CreateEnvWithGlobalThreadPools', LOG_FATAL, 'llama-pro-lab', threading)
    } finally {
      this.#calls.ReleaseThreadingOptions(threading)
    }
  }

  #create(name: Name, ...args: Argument[]): Pointer {
    const out = new BigUint64Array(1)
    this.#check(name, ...args, out)
    return out[0]!
  }

  #check(name: Name, ...args: Argument[]): void {
    this.check(name, this.#calls[name](...args))
  }
}

/** What onnxruntime says, or the C++ library beneath it, when memory cannot be had; other errors speak of allocators too. */
export const noMemory =
  /failed to allocate|bad[ _]alloc|bad allocation|out of memory|cannot allocate memory|smaller than requested bytes/i

/** A run that fails says why in its status; the log would say it again on stderr. */
const LOG_FATAL = 4
export const ARENA_ALLOCATOR = 1
const SAME_AS_REQUESTED = 1
/**
 * The nodes that run are those that were emitted, in an order that is known (`runOrder`). onnxruntime's own passes gain nothing
 * here: they merge rematerialised blocks with the originals and so keep what was to be dropped, turn Transpose + MatMul
 * and MatMul + Add into slower kernels (8 % of a step of 4 blocks), and fold weight-sized zeros into constants that stay in memory.
 */
export const NO_OPTIMIZATIONS = 0

/** C strings, and an array of their addresses; keep both alive while C may read them. */
export function cStrings(strings: readonly string[]): { addresses: BigUint64Array; keep: readonly Uint8Array[] } {
  const keep = strings.map(s => new TextEncoder().encode(`${s}\0`))
  return { addresses: BigUint64Array.from(keep, bytes => BigInt(koffi.address(bytes))), keep }
}

function loadLibrary(): ReturnType<typeof koffi.load> {
  const path = libraryPath()
  try {
    return koffi.load(path)
  } catch (cause) {
    throw new LabError(
      'ENGINE',
      `cannot load onnxruntime from ${path}: ${messageOf(cause)}; reinstall onnxruntime-node`,
      { cause },
    )
  }
}

/** Entry `index` of a C table of pointers. */
function pointerAt(table: Pointer, index: number): Pointer {
  return koffi.decode(table, index * 8, 'void *') as Pointer
}

function callable(address: Pointer, result: string, args: readonly string[]): Call {
  return koffi.decode(address, koffi.proto(`ort_${prototypes++}`, result, [...args])) as Call
}

let prototypes = 0
