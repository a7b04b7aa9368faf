import { type FloatDtype, fromFloat32 } from '../checkpoint/convert.js'
import { readFloat32 } from '../checkpoint/read.js'
import { saveModel } from '../checkpoint/save.js'
import type { TensorData, TensorEntry } from '../checkpoint/write.js'
import { type PlainParameter, plainParameters } from '../methods/merge.js'
import type { ModelConfig } from '../model/config.js'
import type { Model } from '../model/model.js'

const storage = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const
const dtypes = { f32: 'F32', f16: 'F16', bf16: 'BF16' } as const

export interface SaveResultOptions {
  /** Directory whose tokenizer files are copied beside the weights, or a tokenizer file. */
  companionsFrom: string
  /** Storage type of all tensors. */
  dtype: ModelConfig['dtype']
  signal?: AbortSignal
}

/**
 * Writes a model from the device as a complete Hugging Face directory, one tensor in memory at a time, adapters folded
 * in. Frozen weights that came from a file are taken from there again, byte for byte where the type is the same, whatever
 * they were rounded to for training. Replaces an older result.
 */
export async function saveResult(
  dir: string,
  model: Model,
  { companionsFrom, dtype, signal }: SaveResultOptions,
): Promise<void> {
  const stored = storage[dtype]
  const tensors: TensorEntry[] = plainParameters(model).map(parameter => ({
    name: parameter.name,
    dtype: stored,
    shape: [...parameter.shape],
    data: dataOf(parameter, stored),
  }))
  const config = { ...model.config, dtype }
  await saveModel(dir, { config, tensors, companionsFrom, overwrite: true, ...(signal ? { signal } : {}) })
}

function dataOf({ origin, shape, read }: PlainParameter, dtype: FloatDtype): TensorData {
  if (!origin) return async () => fromFloat32(await read(), dtype)
  const source = { ...origin, dtype: dtypes[origin.dtype], shape: [...shape] }
  return source.dtype === dtype ? source : async () => fromFloat32(await readFloat32(source), dtype)
}
