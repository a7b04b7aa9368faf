/** The models that are emitted for WebGPU on onnxruntime's CPU provider, for what no GPU of this machine computes. */
import { initialData } from '../../src/engines/initial-data.js'
import { ModelBuilder, type OnnxNode, onnxDataType } from '../../src/engines/onnx/model-builder.js'
import { cStrings, OrtApi, type Pointer } from '../../src/engines/onnx/ort-api.js'
import {
  type DeviceModel,
  type DevicePrecision,
  emitDeviceModel,
  heldAs,
  nativeOps,
} from '../../src/engines/webgpu/emit.js'
import { toHeld, toStored } from '../../src/engines/webgpu/held.js'
import { deviceWorkingBytes } from '../../src/engines/webgpu/working-bytes.js'
import { type HostArray, hostArray } from '../../src/tensor/dtype.js'
import type { Engine, EngineMemory, VariableInit, WorkingBytes } from '../../src/tensor/engine.js'
import type { TensorSpec } from '../../src/tensor/graph.js'
import type { ProgramSpec } from '../../src/tensor/lower.js'
import { sizeOf } from '../../src/tensor/shape.js'

/**
 * Products in f16 have no kernel there: onnxruntime widens their operands, multiplies in f32 and rounds what comes out. Where
 * its casts meet those of the model it drops both, and with them the rounding, unless a node stands between them.
 */
class RoundingBuilder extends ModelBuilder {
  override node(node: OnnxNode): void {
    const isNarrow = node.op === 'MatMul' || (node.op === 'Cast' && node.attributes?.['to'] === onnxDataType.f16)
    if (!isNarrow) super.node(node)
    else {
      const between = this.fresh()
      super.node({ ...node, outputs: [between] })
      super.node({ op: 'Identity', inputs: [between], outputs: node.outputs })
    }
  }
}

export class DeviceModelEngine implements Engine {
  readonly name = 'onnx'
  readonly device = 'cpu'
  readonly ended = null
  readonly description: string
  readonly nativeOps = nativeOps
  readonly #api = new OrtApi(1)
  readonly #variables = new Map<number, { readonly spec: TensorSpec; data: HostArray }>()
  readonly #programs: { readonly spec: ProgramSpec; readonly model: DeviceModel; readonly session: Pointer }[] = []

  constructor(readonly precision: DevicePrecision) {
    this.description = `models for webgpu on the cpu, ${precision}`
  }

  createVariable(spec: TensorSpec, init: VariableInit): number {
    const id = this.#variables.size
    this.#variables.set(id, { spec, data: toHeld(initialData(spec, init), spec.dtype).slice() })
    return id
  }

  async readVariable(id: number): Promise<HostArray> {
    const { spec, data } = this.#variables.get(id)!
    return toStored(data, spec.dtype).slice()
  }

  writeVariable(id: number, data: HostArray): void {
    const variable = this.#variables.get(id)!
    variable.data = toHeld(data, variable.spec.dtype).slice()
  }

  disposeVariable(id: number): void {
    this.#variables.get(id)!.data = new Float32Array(0)
  }

  async load(spec: ProgramSpec): Promise<number> {
    const model = emitDeviceModel(spec, { precision: this.precision, model: new RoundingBuilder() })
    return this.#programs.push({ spec, model, session: this.#api.createSession(model.bytes, {}) }) - 1
  }

  unload(): void {
    // lives for one test
  }

  async run(id: number, inputs: readonly HostArray[], slots: readonly number[]): Promise<HostArray[]> {
    const { spec, model, session } = this.#programs[id]!
    const variables = slots.map(slot => this.#variables.get(slot)!)
    const heldInputs = spec.inputs.map(({ value }, i) => toHeld(inputs[i]!, spec.values[value]!.dtype))
    const given = [
      ...spec.inputs.map(({ value }, i) => ({ name: model.inputNames[i]!, value, data: heldInputs[i]! })),
      ...spec.variables.map((value, i) => ({ name: model.variableNames[i]!, value, data: variables[i]!.data })),
    ].filter(({ name }) => name !== null)
    const found = [...spec.outputs, ...spec.updates.map(u => u.value)].map(value => {
      const { shape, dtype } = spec.values[value]!
      return { value, data: hostArray(heldAs(dtype), sizeOf(shape)) }
    })
    const tensorsOf = (values: readonly { readonly value: number; readonly data: HostArray }[]) =>
      BigUint64Array.from(values, ({ value, data }) => {
        const { shape, dtype } = spec.values[value]!
        return this.#api.createTensor(data, { shape, dtype: heldAs(dtype) })
      })
    const names = [cStrings(given.map(({ name }) => name)), cStrings(model.resultNames)] as const
    const tensors = [tensorsOf(given), tensorsOf(found)] as const
    this.#api.run(session, { inputs: names[0].addresses, outputs: names[1].addresses }, ...tensors)
    for (const tensor of tensors.flatMap(list => [...list])) this.#api.releaseTensor(tensor)
    for (const [i, { slot }] of spec.updates.entries()) variables[slot]!.data = found[spec.outputs.length + i]!.data
    return spec.outputs.map((value, i) => toStored(found[i]!.data, spec.values[value]!.dtype))
  }

  async memory(): Promise<EngineMemory> {
    return { variableBytes: 0, variables: this.#variables.size, programs: this.#programs.length }
  }

  workingBytes(programs: readonly ProgramSpec[]): WorkingBytes {
    return deviceWorkingBytes(programs, this.precision)
  }

  async dispose(): Promise<void> {
    for (const { session } of this.#programs) this.#api.releaseSession(session)
    this.#programs.length = 0
  }
}
