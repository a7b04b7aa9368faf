import { fromFloat32 } from '../checkpoint/convert.js'
import { saveModel } from '../checkpoint/save.js'
import type { StorageDtype } from '../checkpoint/tensor-source.js'
import type { TensorEntry } from '../checkpoint/write.js'
import type { ModelConfig } from '../model/config.js'
import type { Model } from '../model/model.js'
import { bf16ToF32 } from '../tensor/half.js'
import type { Variable } from '../tensor/variable.js'

const storage = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' } as const

export interface SaveResultOptions {
  /** Directory whose tokenizer files are copied beside the weights, or a tokenizer file. */
  companionsFrom: string
  /** Storage type of all tensors. */
  dtype: ModelConfig['dtype']
  signal?: AbortSignal
}

/** Writes a model from the device as a complete Hugging Face directory, one tensor in memory at a time. Replaces an older result. */
export async function saveResult(
  dir: string,
  model: Model,
  { companionsFrom, dtype, signal }: SaveResultOptions,
): Promise<void> {
  const stored = storage[dtype]
  const tensors: TensorEntry[] = [...model.parameters].map(([name, variable]) => ({
    name,
    dtype: stored satisfies StorageDtype,
    shape: [...variable.shape],
    data: async () => fromFloat32(await floatsOf(variable), stored),
  }))
  const config = { ...model.config, dtype }
  await saveModel(dir, { config, tensors, companionsFrom, overwrite: true, ...(signal ? { signal } : {}) })
}

/** The elements in f32; weights that are bf16 on the device are so exactly. */
async function floatsOf(variable: Variable): Promise<Float32Array> {
  const values = await variable.read()
  return variable.dtype === 'bf16' ? Float32Array.from(values, bf16ToF32) : (values as Float32Array)
}
