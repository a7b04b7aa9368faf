import { bytesPerElement, type HostArray, hostArray } from '../../tensor/dtype.js'
import type { Engine, EngineMemory, VariableInit, WorkingBytes } from '../../tensor/engine.js'
import type { TensorSpec } from '../../tensor/graph.js'
import type { ProgramSpec } from '../../tensor/lower.js'
import { sizeOf } from '../../tensor/shape.js'
import { LabError } from '../../util/errors.js'
import { formatBytes } from '../../util/format.js'
import { halfDone } from '../half-done.js'
import { HostIds } from '../host-ids.js'
import { inPlaceUpdates } from '../in-place.js'
import { initialData } from '../initial-data.js'
import { ModelBuilder } from '../onnx/model-builder.js'
import { OrtApi, type Pointer } from '../onnx/ort-api.js'
import type { Adapter } from './adapter.js'
import { DeviceApi, type DeviceSession } from './device-api.js'
import { type DeviceModel, type DevicePrecision, emitDeviceModel, heldAs, isRenaming, nativeOps } from './emit.js'
import { toHeld, toStored } from './held.js'
import { deviceWorkingBytes } from './working-bytes.js'

export interface WebGpuEngineOptions {
  /** The adapter that onnxruntime will take, for the description and the limits. */
  adapter: Adapter
  /** Default `f32`; `f16` is for an adapter with `shader-f16`. */
  precision?: DevicePrecision
  /** Threads of the process's onnxruntime. */
  threads: number
  /** Write onnxruntime profiles of every program to files of this prefix (default: none). */
  profilePrefix?: string | null
}

interface DeviceVariable {
  readonly spec: TensorSpec
  tensor: Pointer
  /** Where an update that may not overwrite `tensor` is written; the two then change places. */
  spare: Pointer | null
}

interface Compiled {
  readonly spec: ProgramSpec
  readonly key: string
  readonly model: DeviceModel
  readonly session: DeviceSession
  readonly inPlace: readonly boolean[]
  readonly ids: HostIds
}

/**
 * onnxruntime's WebGPU provider, on the calling thread. Variables live in the device's memory; a run takes its inputs from
 * the host and brings its outputs there, and nothing else crosses: a program with a node that the provider has no kernel
 * for is refused when it is loaded. Arithmetic is f32, or f16 in products of matrices; 16-bit weights are held as f32.
 */
export class WebGpuEngine implements Engine {
  readonly name = 'onnx'
  readonly device = 'webgpu'
  readonly description: string
  readonly nativeOps = nativeOps
  readonly widensHalf = true
  readonly precision: DevicePrecision
  readonly #adapter: Adapter
  readonly #profilePrefix: string | null
  readonly #ort: OrtApi
  readonly #api: DeviceApi
  readonly #variables = new Map<number, DeviceVariable>()
  readonly #programs = new Map<number, Compiled>()
  readonly #loaded = new Map<string, number>()
  #nextId = 0
  #closed: LabError | null = null

  constructor({ adapter, precision = 'f32', threads, profilePrefix = null }: WebGpuEngineOptions) {
    this.precision = precision
    this.#adapter = adapter
    this.#profilePrefix = profilePrefix
    this.#ort = new OrtApi(threads)
    this.#api = new DeviceApi(this.#ort, smallestModel())
    this.description = `onnxruntime ${this.#ort.version} on webgpu: ${adapter.description}, ${precision}`
  }

  get ended(): LabError | null {
    return this.#closed
  }

  createVariable(spec: TensorSpec, init: VariableInit): number {
    this.#check()
    const variable = { spec, tensor: this.#allocate(spec), spare: null }
    try {
      this.#upload(variable, initialData(spec, init))
    } catch (error) {
      this.#api.releaseTensor(variable.tensor)
      throw error
    }
    const id = this.#nextId++
    this.#variables.set(id, variable)
    return id
  }

  async readVariable(id: number): Promise<HostArray> {
    this.#check()
    const { spec, tensor } = this.#variable(id)
    return this.#download(tensor, spec)
  }

  writeVariable(id: number, data: HostArray): void {
    this.#check()
    this.#upload(this.#variable(id), data)
  }

  disposeVariable(id: number): void {
    const variable = this.#variables.get(id)
    if (!variable) return
    this.#api.releaseTensor(variable.tensor)
    if (variable.spare !== null) this.#api.releaseTensor(variable.spare)
    this.#variables.delete(id)
  }

  async load(spec: ProgramSpec, key: string): Promise<number> {
    this.#check()
    const known = this.#loaded.get(key)
    if (known !== undefined) return known
    for (const value of spec.values) this.#requireRoom(value)
    const id = this.#nextId++
    const inPlace = inPlaceUpdates(spec, isRenaming)
    const model = emitDeviceModel(spec, { inPlace, precision: this.precision })
    const prefix = this.#profilePrefix === null ? undefined : `${this.#profilePrefix}-${id}`
    const session = this.#api.createSession(model.bytes, prefix)
    this.#programs.set(id, {
      spec,
      key,
      model: { ...model, bytes: new Uint8Array(0) },
      session,
      inPlace,
      ids: new HostIds(spec),
    })
    this.#loaded.set(key, id)
    return id
  }

  unload(id: number): void {
    const program = this.#programs.get(id)
    if (!program) return
    this.#api.releaseSession(program.session)
    this.#programs.delete(id)
    this.#loaded.delete(program.key)
  }

  async run(
    id: number,
    inputs: readonly HostArray[],
    slots: readonly number[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<HostArray[]> {
    this.#check()
    if (signal?.aborted) throw new LabError('ABORTED', 'the run was aborted before it began')
    const program = this.#programs.get(id)
    if (!program) throw new LabError('ENGINE', `webgpu: no program ${id}`)
    program.ids.check(inputs)
    const variables = slots.map(slot => this.#variable(slot))
    const temporary: Pointer[] = []
    try {
      return this.#execute(program, inputs, variables, temporary)
    } finally {
      for (const tensor of temporary) this.#api.releaseTensor(tensor)
    }
  }

  async memory(): Promise<EngineMemory> {
    this.#check()
    const variableBytes = this.#variableBytes()
    const { name, kind, memoryBytes } = this.#adapter
    const counts = { variableBytes, variables: this.#variables.size, programs: this.#programs.size }
    // an adapter in software computes in the memory of this process
    if (kind === 'software') return counts
    return { ...counts, elsewhere: { name, residentBytes: variableBytes, freeBytes: memoryBytes - variableBytes } }
  }

  workingBytes(programs: readonly ProgramSpec[]): WorkingBytes {
    return deviceWorkingBytes(programs, this.precision)
  }

  async dispose(): Promise<void> {
    if (this.#closed?.code === 'ENGINE_CLOSED') return
    for (const id of [...this.#variables.keys()]) this.disposeVariable(id)
    for (const { session } of this.#programs.values()) this.#api.releaseSession(session)
    this.#programs.clear()
    this.#api.dispose()
    this.#ort.dispose()
    this.#closed = new LabError('ENGINE_CLOSED', 'webgpu: the engine has been disposed')
  }

  #execute(
    { spec, model, session, inPlace }: Compiled,
    inputs: readonly HostArray[],
    variables: readonly DeviceVariable[],
    temporary: Pointer[],
  ): HostArray[] {
    const onHost = (data: HostArray, value: number) => {
      const { shape, dtype } = spec.values[value]!
      const tensor = this.#api.hostTensor(data, shape, heldAs(dtype))
      temporary.push(tensor)
      return tensor
    }
    const given = spec.inputs.map(({ value }, i) => toHeld(inputs[i]!, spec.values[value]!.dtype))
    const outputs = spec.outputs.map(value => emptyHeld(spec.values[value]!))
    const results = [
      ...outputs.map((data, i) => onHost(data, spec.outputs[i]!)),
      ...spec.updates.map(({ slot }, i) => {
        return inPlace[i] ? variables[slot]!.tensor : this.#spareOf(variables[slot]!)
      }),
    ]
    const bound = [
      ...spec.inputs.flatMap(({ value }, i) => named(model.inputNames[i]!, () => onHost(given[i]!, value))),
      ...variables.flatMap((v, slot) => named(model.variableNames[slot]!, () => v.tensor)),
    ]
    try {
      this.#api.run(
        session,
        bound,
        results.map((tensor, i) => [model.resultNames[i]!, tensor] as const),
      )
    } catch (error) {
      throw this.#failed(error, inPlace.includes(true))
    }
    for (const [i, { slot }] of spec.updates.entries()) if (!inPlace[i]) swapSpare(variables[slot]!)
    return outputs.map((data, i) => toStored(data, spec.values[spec.outputs[i]!]!.dtype))
  }

  /** What a run that failed means: one that writes into variables may have changed some of them, so the engine ends. */
  #failed(error: unknown, hasWritten: boolean): unknown {
    const failure = this.#asOutOfMemory(error)
    if (!hasWritten) return failure
    this.#closed = halfDone(failure)
    return this.#closed
  }

  /** The device says only later that it had no memory for a buffer: whatever then uses it is invalid. */
  #asOutOfMemory(error: unknown): unknown {
    if (!(error instanceof LabError) || !noBuffer.test(error.message)) return error
    return new LabError(
      'OUT_OF_MEMORY',
      `webgpu: no room for this program beside ${formatBytes(this.#variableBytes())} of variables; the device has ${formatBytes(
        this.#adapter.memoryBytes,
      )}, and ${formatBytes(this.#adapter.maxBufferBytes)} for one tensor; use a smaller batch or sequence, or rematerialise blocks (${error.message})`,
      { cause: error },
    )
  }

  #allocate(spec: TensorSpec): Pointer {
    this.#requireRoom(spec)
    const bytes = heldBytes(spec) + this.#variableBytes()
    if (bytes > this.#adapter.memoryBytes) {
      throw new LabError(
        'OUT_OF_MEMORY',
        `webgpu: no room for ${formatBytes(heldBytes(spec))} beside ${formatBytes(this.#variableBytes())} of variables; the device has ${formatBytes(this.#adapter.memoryBytes)}`,
      )
    }
    return this.#api.deviceTensor(spec.shape, heldAs(spec.dtype))
  }

  #requireRoom(spec: TensorSpec): void {
    if (heldBytes(spec) <= this.#adapter.maxBufferBytes) return
    throw new LabError(
      'OUT_OF_MEMORY',
      `webgpu: a tensor ${spec.dtype} [${spec.shape}] takes ${formatBytes(heldBytes(spec))}, and ${this.#adapter.name} has at most ${formatBytes(this.#adapter.maxBufferBytes)} for one; use a smaller batch or sequence`,
    )
  }

  #upload({ spec, tensor }: DeviceVariable, data: HostArray): void {
    const held = toHeld(data, spec.dtype)
    const source = this.#api.hostTensor(held, spec.shape, heldAs(spec.dtype))
    try {
      this.#api.copy(source, tensor)
    } finally {
      this.#api.releaseTensor(source)
    }
  }

  #download(tensor: Pointer, spec: TensorSpec): HostArray {
    const data = emptyHeld(spec)
    const target = this.#api.hostTensor(data, spec.shape, heldAs(spec.dtype))
    try {
      this.#api.copy(tensor, target)
    } finally {
      this.#api.releaseTensor(target)
    }
    return toStored(data, spec.dtype)
  }

  #spareOf(variable: DeviceVariable): Pointer {
    variable.spare ??= this.#allocate(variable.spec)
    return variable.spare
  }

  #variable(id: number): DeviceVariable {
    const variable = this.#variables.get(id)
    if (!variable) throw new LabError('DISPOSED', `webgpu: variable ${id} has been disposed`)
    return variable
  }

  #variableBytes(): number {
    let bytes = 0
    for (const { spec, spare } of this.#variables.values()) bytes += heldBytes(spec) * (spare === null ? 1 : 2)
    return bytes
  }

  #check(): void {
    if (this.#closed) throw this.#closed
  }
}

/** A buffer that could not be had; a pipeline or a shader may be invalid for other reasons. */
const noBuffer = /invalid buffer[^.]*due to a previous error|buffer size .*exceeds|out of memory/i

function named(name: string | null, tensor: () => Pointer): (readonly [string, Pointer])[] {
  return name === null ? [] : [[name, tensor()]]
}

function heldBytes({ shape, dtype }: TensorSpec): number {
  return sizeOf(shape) * bytesPerElement[heldAs(dtype)]
}

function emptyHeld({ shape, dtype }: TensorSpec): HostArray {
  return hostArray(heldAs(dtype), sizeOf(shape))
}

function swapSpare(variable: DeviceVariable): void {
  const { tensor } = variable
  variable.tensor = variable.spare!
  variable.spare = tensor
}

/** One addition of two numbers. */
function smallestModel(): Uint8Array {
  const model = new ModelBuilder()
  const spec = { shape: [1], dtype: 'f32' } as const
  model.input('x', spec)
  model.node({ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] })
  model.output('y', spec)
  return model.finish()
}
