import { bytesPerElement, type HostArray, hostArray, viewAs } from '../../tensor/dtype.js'
import type { Engine, EngineMemory, VariableInit, WorkingBytes } from '../../tensor/engine.js'
import type { TensorSpec } from '../../tensor/graph.js'
import type { ProgramSpec } from '../../tensor/lower.js'
import { sizeOf } from '../../tensor/shape.js'
import { LabError } from '../../util/errors.js'
import { halfDone } from '../half-done.js'
import { inPlaceUpdates } from '../in-place.js'
import { initialData } from '../initial-data.js'
import { type EmittedModel, emitModel, nativeOps } from './emit.js'
import { canMapFiles, type FileMap, mapFile } from './file-map.js'
import type { OnnxSpec } from './model-builder.js'
import { cStrings, type OrtApi, type Pointer } from './ort-api.js'
import { widenAtUse } from './widen.js'
import { onnxWorkingBytes } from './working-bytes.js'

interface DeviceVariable {
  readonly spec: TensorSpec
  data: HostArray
  tensor: Pointer
  /** The file that `data` lies in; null for memory of this process. */
  readonly map: FileMap | null
  /** The bytes of `data` as other element types, by dtype. */
  readonly views: Map<string, Pointer>
  /** Where an update that may not overwrite `data` is written; the two then change places. */
  spare: { data: HostArray; tensor: Pointer } | null
}

interface Compiled {
  readonly spec: ProgramSpec
  readonly key: string
  readonly model: EmittedModel
  readonly session: Pointer
  readonly inPlace: readonly boolean[]
  readonly names: { inputs: BigUint64Array; outputs: BigUint64Array }
  /** The bytes behind `names`. */
  readonly keep: readonly Uint8Array[]
}

/**
 * Device memory and compiled programs over onnxruntime's C API, on the calling thread, which a run blocks: `OnnxEngine` has
 * it in a worker.
 */
export class OnnxSession implements Engine {
  readonly name = 'onnx'
  readonly device = 'cpu'
  readonly nativeOps = nativeOps
  readonly workingBytes: (programs: readonly ProgramSpec[]) => WorkingBytes = onnxWorkingBytes
  readonly #variables = new Map<number, DeviceVariable>()
  readonly #programs = new Map<number, Compiled>()
  readonly #keys = new Map<string, number>()
  #nextId = 0
  #ended: LabError | null = null
  #isFreed = false

  /** @param profilePrefix onnxruntime profiles of every program are written to files of this prefix; null: none are */
  constructor(
    readonly api: OrtApi,
    readonly profilePrefix: string | null,
  ) {}

  get description(): string {
    return `onnxruntime ${this.api.version} on cpu, ${this.api.threads} threads, f32`
  }

  get ended(): LabError | null {
    return this.#ended
  }

  createVariable(spec: TensorSpec, init: VariableInit): number {
    this.#check()
    const id = this.#nextId++
    const map = mapOf(spec, init)
    const data = map ? viewAs(spec.dtype, map.bytes) : initialData(spec, init)
    this.#variables.set(id, {
      spec,
      data,
      tensor: this.api.createTensor(data, spec),
      map,
      views: new Map(),
      spare: null,
    })
    return id
  }

  async readVariable(id: number): Promise<HostArray> {
    return this.#variable(id).data.slice()
  }

  writeVariable(id: number, data: HostArray): void {
    this.#variable(id).data.set(data)
  }

  disposeVariable(id: number): void {
    const variable = this.#variables.get(id)
    if (!variable) return
    this.api.releaseTensor(variable.tensor)
    if (variable.spare) this.api.releaseTensor(variable.spare.tensor)
    for (const view of variable.views.values()) this.api.releaseTensor(view)
    variable.map?.unmap()
    this.#variables.delete(id)
  }

  async load(program: ProgramSpec, key: string): Promise<number> {
    this.#check()
    const id = this.#keys.get(key) ?? this.#compile(program, key)
    this.#keys.set(key, id)
    return id
  }

  unload(id: number): void {
    const program = this.#programs.get(id)
    if (!program) return
    this.api.releaseSession(program.session)
    this.#programs.delete(id)
    this.#keys.delete(program.key)
  }

  #compile(program: ProgramSpec, key: string): number {
    const id = this.#nextId++
    const spec = widenAtUse(program)
    const model = emitModel(spec)
    const profile = this.profilePrefix === null ? undefined : `${this.profilePrefix}-${id}`
    const session = this.api.createSession(model.bytes, { 'session.use_env_allocators': '1' }, profile)
    const names = [...model.inputNames, ...model.variableNames, ...model.codes.map(({ name }) => name)]
    const inputs = cStrings(names.filter(name => name !== null))
    const outputs = cStrings(model.resultNames)
    this.#programs.set(id, {
      spec,
      key,
      model: { ...model, bytes: new Uint8Array(0) },
      session,
      inPlace: inPlaceUpdates(spec),
      names: { inputs: inputs.addresses, outputs: outputs.addresses },
      keep: [...inputs.keep, ...outputs.keep],
    })
    return id
  }

  async run(id: number, inputs: readonly HostArray[], slots: readonly number[]): Promise<HostArray[]> {
    this.#check()
    const program = this.#programs.get(id)
    if (!program) throw new LabError('ENGINE', `no program ${id}`)
    const { spec, model } = program
    const variables = slots.map(slot => this.#variable(slot))
    const temporary: Pointer[] = []
    const tensorAs = (data: HostArray, type: OnnxSpec) => {
      temporary.push(this.api.createTensor(data, type))
      return temporary[temporary.length - 1]!
    }
    const tensorOf = (data: HostArray, value: number) => tensorAs(data, spec.values[value]!)
    try {
      const given = spec.inputs.flatMap(({ value }, i) =>
        model.inputNames[i] === null ? [] : [tensorOf(inputs[i]!, value)],
      )
      const state = variables.flatMap((v, slot) => (model.variableNames[slot] === null ? [] : [v.tensor]))
      const codes = model.codes.map(({ from, index, spec: type }) =>
        from === 'inputs' ? tensorAs(inputs[index]!, type) : this.#viewOf(variables[index]!, type),
      )
      const outputs = spec.outputs.map(value => hostArray(spec.values[value]!.dtype, sizeOf(spec.values[value]!.shape)))
      const results = outputs.map((data, i) => tensorOf(data, spec.outputs[i]!))
      const written = spec.updates.map(({ slot }, i) =>
        program.inPlace[i] ? variables[slot]!.tensor : this.#spareOf(variables[slot]!),
      )
      this.#execute(program, [...given, ...state, ...codes], [...results, ...written])
      spec.updates.forEach(({ slot }, i) => {
        if (!program.inPlace[i]) swapSpare(variables[slot]!)
      })
      return outputs
    } finally {
      for (const tensor of temporary) this.api.releaseTensor(tensor)
    }
  }

  #execute({ session, names, inPlace }: Compiled, inputs: readonly Pointer[], results: readonly Pointer[]): void {
    try {
      this.api.run(session, names, BigUint64Array.from(inputs), BigUint64Array.from(results))
    } catch (error) {
      if (!inPlace.includes(true)) throw error
      this.#ended = halfDone(error)
      throw this.#ended
    }
  }

  async memory(): Promise<EngineMemory> {
    this.#check()
    let [variableBytes, mappedBytes] = [0, 0]
    for (const { data, spare, map } of this.#variables.values()) {
      variableBytes += data.byteLength * (spare ? 2 : 1)
      if (map) mappedBytes += data.byteLength
    }
    return { variableBytes, mappedBytes, variables: this.#variables.size, programs: this.#programs.size }
  }

  async dispose(): Promise<void> {
    if (this.#isFreed) return
    this.#isFreed = true
    for (const id of [...this.#variables.keys()]) this.disposeVariable(id)
    for (const { session } of this.#programs.values()) this.api.releaseSession(session)
    this.#programs.clear()
    this.#keys.clear()
    this.api.dispose()
    this.#ended ??= new LabError('ENGINE_CLOSED', 'onnx: the engine has been disposed')
  }

  #check(): void {
    if (this.#ended) throw this.#ended
  }

  #variable(id: number): DeviceVariable {
    this.#check()
    const variable = this.#variables.get(id)
    if (!variable) throw new LabError('DISPOSED', `onnx: variable ${id} has been disposed`)
    return variable
  }

  #viewOf({ data, views }: DeviceVariable, type: OnnxSpec): Pointer {
    const view = views.get(type.dtype) ?? this.api.createTensor(data, type)
    views.set(type.dtype, view)
    return view
  }

  #spareOf(variable: DeviceVariable): Pointer {
    if (!variable.spare) {
      const data = hostArray(variable.spec.dtype, variable.data.length)
      variable.spare = { data, tensor: this.api.createTensor(data, variable.spec) }
    }
    return variable.spare.tensor
  }
}

function swapSpare(variable: DeviceVariable): void {
  const { data, tensor } = variable
  variable.data = variable.spare!.data
  variable.tensor = variable.spare!.tensor
  variable.spare = { data, tensor }
}

/** The file of a variable whose elements may be used where they lie; askew ones are copied. */
function mapOf({ dtype }: TensorSpec, init: VariableInit): FileMap | null {
  if (init.kind !== 'file' || !init.isMapped || !canMapFiles()) return null
  const { path, byteOffset, byteLength } = init
  const isUsable = init.dtype === dtype && byteOffset % bytesPerElement[dtype] === 0 && byteLength > 0
  return isUsable ? mapFile(path, byteOffset, byteLength) : null
}
