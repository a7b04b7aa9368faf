/** The part of onnxruntime's C API by which programs run on its WebGPU provider and their state stays on the device. */
import type { DType, HostArray } from '../../tensor/dtype.js'
import { onnxDataType } from '../onnx/model-builder.js'
import {
  ARENA_ALLOCATOR,
  type Call,
  NO_OPTIMIZATIONS,
  type OrtApi,
  type Pointer,
  type Signature,
} from '../onnx/ort-api.js'

const signatures = {
  CreateSessionFromArray: [8, 'void *', ['void *', 'void *', 'size_t', 'void *', 'void *']],
  CreateSessionOptions: [10, 'void *', ['void *']],
  EnableProfiling: [14, 'void *', ['void *', 'const char *']],
  SetSessionGraphOptimizationLevel: [23, 'void *', ['void *', 'int']],
  SetIntraOpNumThreads: [24, 'void *', ['void *', 'int']],
  CreateTensorAsOrtValue: [48, 'void *', ['void *', 'void *', 'size_t', 'int', 'void *']],
  CreateTensorWithDataAsOrtValue: [49, 'void *', ['void *', 'void *', 'size_t', 'void *', 'size_t', 'int', 'void *']],
  CreateMemoryInfo: [68, 'void *', ['const char *', 'int', 'int', 'int', 'void *']],
  CreateCpuMemoryInfo: [69, 'void *', ['int', 'int', 'void *']],
  ReleaseMemoryInfo: [94, 'void', ['void *']],
  ReleaseSessionOptions: [100, 'void', ['void *']],
  AddSessionConfigEntry: [130, 'void *', ['void *', 'const char *', 'const char *']],
  CreateAllocator: [131, 'void *', ['void *', 'void *', 'void *']],
  ReleaseAllocator: [132, 'void', ['void *']],
  RunWithBinding: [133, 'void *', ['void *', 'void *', 'void *']],
  CreateIoBinding: [134, 'void *', ['void *', 'void *']],
  ReleaseIoBinding: [135, 'void', ['void *']],
  BindInput: [136, 'void *', ['void *', 'const char *', 'void *']],
  BindOutput: [137, 'void *', ['void *', 'const char *', 'void *']],
  ClearBoundInputs: [141, 'void', ['void *']],
  ClearBoundOutputs: [142, 'void', ['void *']],
  SynchronizeBoundOutputs: [203, 'void *', ['void *']],
  SessionOptionsAppendExecutionProvider: [216, 'void *', ['void *', 'const char *', 'void *', 'void *', 'size_t']],
  CopyTensors: [386, 'void *', ['void *', 'void *', 'void *', 'void *', 'size_t']],
} as const satisfies Record<string, Signature>

type Name = keyof typeof signatures

/** The name of the provider's device memory. */
const DEVICE_MEMORY = 'WebGPU_Buf'
const DEVICE_ALLOCATOR = 0

/** A compiled program and what its values are bound through. */
export interface DeviceSession {
  readonly session: Pointer
  readonly binding: Pointer
}

export type Bound = readonly (readonly [name: string, tensor: Pointer])[]

/** Sessions on the device, and tensors there and in this process's memory. */
export class DeviceApi {
  readonly #calls: Record<Name, Call>
  readonly #hostMemory: Pointer
  /** A session that lives as long as this object: the device and its allocator hang on it. */
  readonly #root: DeviceSession
  readonly #allocator: Pointer

  /** @param model any model that the device can run @throws LabError ENGINE when there is no device */
  constructor(
    readonly ort: OrtApi,
    model: Uint8Array,
  ) {
    this.#calls = ort.functions(signatures)
    this.#hostMemory = this.#create('CreateCpuMemoryInfo', ARENA_ALLOCATOR, 0)
    this.#root = this.createSession(model)
    const memory = this.#create('CreateMemoryInfo', DEVICE_MEMORY, DEVICE_ALLOCATOR, 0, 0)
    this.#allocator = this.#create('CreateAllocator', this.#root.session, memory)
    this.#calls.ReleaseMemoryInfo(memory)
  }

  /** Compiles an ONNX model for the device. A node that would run elsewhere is an error. */
  createSession(model: Uint8Array, profilePrefix?: string): DeviceSession {
    const options = this.#create('CreateSessionOptions')
    try {
      this.#check('SetIntraOpNumThreads', options, 1)
      this.#check('SetSessionGraphOptimizationLevel', options, NO_OPTIMIZATIONS)
      this.#check('AddSessionConfigEntry', options, 'session.disable_cpu_ep_fallback', '1')
      if (profilePrefix) this.#check('EnableProfiling', options, profilePrefix)
      const none = new BigUint64Array(1)
      this.#check('SessionOptionsAppendExecutionProvider', options, 'WebGPU', none, none, 0)
      const session = this.#create('CreateSessionFromArray', this.ort.environment, model, model.byteLength, options)
      return { session, binding: this.#create('CreateIoBinding', session) }
    } finally {
      this.#calls.ReleaseSessionOptions(options)
    }
  }

  /** A tensor over the elements of `data`, which it borrows: keep `data` alive, and release the tensor. */
  hostTensor(data: HostArray, shape: readonly number[], dtype: DType): Pointer {
    const dims = BigInt64Array.from(shape, BigInt)
    return this.#create(
      'CreateTensorWithDataAsOrtValue',
      this.#hostMemory,
      data,
      data.byteLength,
      dims,
      dims.length,
      onnxDataType[dtype],
    )
  }

  /** A tensor in the device's memory, with undefined elements. */
  deviceTensor(shape: readonly number[], dtype: DType): Pointer {
    const dims = BigInt64Array.from(shape, BigInt)
    return this.#create('CreateTensorAsOrtValue', this.#allocator, dims, dims.length, onnxDataType[dtype])
  }

  /** Copies elements between two tensors of equal size, wherever they are; they have arrived when this returns. */
  copy(from: Pointer, to: Pointer): void {
    const [source, target] = [BigUint64Array.of(from), BigUint64Array.of(to)]
    this.#check('CopyTensors', this.ort.environment, source, target, null, 1)
  }

  /** Runs a program; results are written into the tensors given. */
  run({ session, binding }: DeviceSession, inputs: Bound, results: Bound): void {
    try {
      for (const [name, tensor] of inputs) this.#check('BindInput', binding, name, tensor)
      for (const [name, tensor] of results) this.#check('BindOutput', binding, name, tensor)
      this.#check('RunWithBinding', session, null, binding)
    } finally {
      // a binding holds on to what was bound, disposed or not
      this.#calls.ClearBoundInputs(binding)
      this.#calls.ClearBoundOutputs(binding)
    }
  }

  releaseTensor(tensor: Pointer): void {
    this.ort.releaseTensor(tensor)
  }

  releaseSession({ session, binding }: DeviceSession): void {
    this.#calls.ReleaseIoBinding(binding)
    this.ort.releaseSession(session)
  }

  /** Gives the device back. All tensors and sessions must have been released. */
  dispose(): void {
    this.#calls.ReleaseAllocator(this.#allocator)
    this.releaseSession(this.#root)
    this.#calls.ReleaseMemoryInfo(this.#hostMemory)
  }

  #create(name: Name, ...args: Parameters<Call>): Pointer {
    const out = new BigUint64Array(1)
    this.#check(name, ...args, out)
    return out[0]!
  }

  #check(name: Name, ...args: Parameters<Call>): void {
    this.ort.check(name, this.#calls[name](...args))
  }
}
