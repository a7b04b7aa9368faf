/** Builds an ONNX ModelProto (onnx.proto, IR version 10) field by field. */
import type { DType, HostArray } from '../../tensor/dtype.js'
import type { TensorSpec } from '../../tensor/graph.js'
import type { OnnxValue } from './graph.js'
import { ProtoWriter } from './protobuf.js'

const IR_VERSION = 10
const OPSET = 21
const INT64 = 7

/** Elements of an ONNX tensor: ours, and the signed integers that the bytes of a `u8` may be read as. */
export type OnnxElement = DType | 'i8' | 'i4'

/** Numbers of element types, in models (TensorProto.DataType) and in the C API (ONNXTensorElementDataType) alike. */
export const onnxDataType: Record<OnnxElement, number> = {
  f32: 1,
  u8: 2,
  i8: 3,
  i32: 6,
  bool: 9,
  f16: 10,
  bf16: 16,
  i4: 22,
}

/** Shape and element type of a tensor as onnxruntime sees it. */
export interface OnnxSpec {
  readonly shape: readonly number[]
  readonly dtype: OnnxElement
}

/** The domain of operators that are onnxruntime's own. */
export const MICROSOFT = 'com.microsoft'

export type OnnxAttribute = number | string | readonly number[] | { readonly float: number }

export interface OnnxNode {
  readonly op: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>
  readonly domain?: string
}

export class ModelBuilder {
  /** The nodes so far and the sizes of what they make. */
  readonly nodes: OnnxNode[] = []
  readonly values = new Map<string, OnnxValue>()
  readonly #graph = new ProtoWriter()
  readonly #int64 = new Map<string, string>()
  #names = 0

  /** A name that nothing else has. */
  fresh(): string {
    return `t${this.#names++}`
  }

  node(description: OnnxNode): void {
    const { op, inputs, outputs, attributes = {}, domain = '' } = description
    this.nodes.push(description)
    const node = new ProtoWriter()
    for (const name of inputs) node.string(1, name)
    for (const name of outputs) node.string(2, name)
    node.string(4, op)
    for (const [name, value] of Object.entries(attributes)) node.message(5, attribute(name, value))
    if (domain) node.string(7, domain)
    this.#graph.message(1, node)
  }

  /** A node with one output of a fresh name and the given size, which is returned. */
  emit(
    op: string,
    inputs: readonly string[],
    value: OnnxValue,
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    const output = this.fresh()
    this.values.set(output, value)
    this.node({ op, inputs, outputs: [output], attributes })
    return output
  }

  /** A constant stored in the model. */
  constant(name: string, spec: TensorSpec, data: HostArray): void {
    this.#initializer(
      name,
      spec.shape,
      onnxDataType[spec.dtype],
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    )
  }

  /** The name of a constant list of int64, as shapes and axes are given. */
  int64(values: readonly number[]): string {
    const key = values.join()
    let name = this.#int64.get(key)
    if (!name) {
      name = this.fresh()
      this.#int64.set(key, name)
      this.#initializer(name, [values.length], INT64, new Uint8Array(BigInt64Array.from(values, BigInt).buffer))
    }
    return name
  }

  /** The name of a constant i32. */
  int32(value: number): string {
    const name = this.fresh()
    this.constant(name, { shape: [], dtype: 'i32' }, Int32Array.of(value))
    return name
  }

  input(name: string, spec: OnnxSpec): void {
    this.#graph.message(11, valueInfo(name, spec))
  }

  output(name: string, spec: TensorSpec): void {
    this.#graph.message(12, valueInfo(name, spec))
  }

  finish(): Uint8Array {
    this.#graph.string(2, 'program')
    const model = new ProtoWriter().varint(1, IR_VERSION).string(2, 'llama-pro-lab').message(7, this.#graph)
    model.message(8, new ProtoWriter().string(1, '').varint(2, OPSET))
    return model.message(8, new ProtoWriter().string(1, MICROSOFT).varint(2, 1)).finish()
  }

  #initializer(name: string, shape: readonly number[], type: number, bytes: Uint8Array): void {
    const tensor = new ProtoWriter()
    for (const d of shape) tensor.varint(1, d)
    this.#graph.message(5, tensor.varint(2, type).string(8, name).bytes(9, bytes))
  }
}

function attribute(name: string, value: OnnxAttribute): ProtoWriter {
  const proto = new ProtoWriter().string(1, name)
  if (typeof value === 'number') return proto.varint(3, value).varint(20, 2)
  if (typeof value === 'string') return proto.string(4, value).varint(20, 3)
  if ('float' in value) return proto.float(2, value.float).varint(20, 1)
  for (const v of value) proto.varint(8, v)
  return proto.varint(20, 7)
}

function valueInfo(name: string, { shape, dtype }: OnnxSpec): ProtoWriter {
  const dims = new ProtoWriter()
  for (const d of shape) dims.message(1, new ProtoWriter().varint(1, d))
  const type = new ProtoWriter().varint(1, onnxDataType[dtype]).message(2, dims)
  return new ProtoWriter().string(1, name).message(2, new ProtoWriter().message(1, type))
}
