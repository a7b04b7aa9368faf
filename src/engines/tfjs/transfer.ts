/** Elements between host arrays and tfjs tensors. tfjs has no 16-bit floats: f16 and bf16 are held as the f32 values they stand for. */
import { bytesPerElement, copyOf, type DType, type HostArray } from '../../tensor/dtype.js'
import type { TensorSpec } from '../../tensor/graph.js'
import { toHost } from '../../tensor/leaf.js'
import { sizeOf } from '../../tensor/shape.js'
import { widen } from '../initial-data.js'
import type { Tf, TfTensor } from './load.js'

const tfDtypes = { f32: 'float32', f16: 'float32', bf16: 'float32', i32: 'int32', bool: 'bool', u8: 'int32' } as const

/** The tfjs dtype that holds values of `dtype`. */
export function tfDtype(dtype: DType): 'float32' | 'int32' | 'bool' {
  return tfDtypes[dtype]
}

/** Bytes of a value in tfjs's memory. */
export function tfBytes({ shape, dtype }: TensorSpec): number {
  return sizeOf(shape) * (dtype === 'bool' ? 1 : Math.max(4, bytesPerElement[dtype]))
}

/** A tensor of a copy of the elements; never disposed by a scope. */
export function upload(tf: Tf, data: HostArray, { shape, dtype }: TensorSpec): TfTensor {
  // the cpu backend computes on the array that it is given, so it must be one of its own
  const values =
    dtype === 'f16' || dtype === 'bf16' ? widen(data, dtype) : dtype === 'u8' ? Int32Array.from(data) : copyOf(data)
  return tf.keep(tf.tensor(values as Float32Array, [...shape], tfDtype(dtype)))
}

/** The elements as values of `dtype`, copied. */
export async function download(tensor: TfTensor, dtype: DType): Promise<HostArray> {
  return copied(await tensor.data<'float32' | 'int32' | 'bool'>(), dtype)
}

/** {@link download} at once, on backends that can. */
export function downloadSync(tensor: TfTensor, dtype: DType): HostArray {
  return copied(tensor.dataSync<'float32' | 'int32' | 'bool'>(), dtype)
}

function copied(values: Float32Array | Int32Array | Uint8Array, dtype: DType): HostArray {
  return dtype === 'f16' || dtype === 'bf16' || dtype === 'u8' ? toHost(values, dtype) : values.slice()
}
