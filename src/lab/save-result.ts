import { fromFloat32 } from '../checkpoint/convert.js'
import { saveModel } from '../checkpoint/save.js'
import type { StorageDtype } from '../checkpoint/tensor-source.js'
import type { TensorEntry } from '../checkpoint/write.js'
import { plainParameters } from '../methods/merge.js'
import type { ModelConfig } from '../model/config.js'
import type { Model } from '../model/model.js'

const storage = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const

export interface SaveResultOptions {
  /** Directory whose tokenizer files are copied beside the weights, or a tokenizer file. */
  companionsFrom: string
  /** Storage type of all tensors. */
  dtype: ModelConfig['dtype']
  signal?: AbortSignal
}

/**
 * Writes a model from the device as a complete Hugging Face directory, one tensor in memory at a time, adapters folded
 * in. Replaces an older result.
 */
export async function saveResult(
  dir: string,
  model: Model,
  { companionsFrom, dtype, signal }: SaveResultOptions,
): Promise<void> {
  const stored = storage[dtype]
  const tensors: TensorEntry[] = plainParameters(model).map(({ name, shape, read }) => ({
    name,
    dtype: stored satisfies StorageDtype,
    shape: [...shape],
    data: async () => fromFloat32(await read(), stored),
  }))
  const config = { ...model.config, dtype }
  await saveModel(dir, { config, tensors, companionsFrom, overwrite: true, ...(signal ? { signal } : {}) })
}
