import { join } from 'node:path'
import { fromFloat32 } from '../checkpoint/convert.js'
import { type TensorEntry, writeSafetensors } from '../checkpoint/write.js'
import type { Model } from '../model/model.js'
import { writeDirectoryAtomic } from '../util/atomic-directory.js'
import { writeFileAtomic } from '../util/atomic-file.js'
import type { LoraOptions } from './lora.js'

export interface SaveAdapterOptions {
  lora: LoraOptions
  /** The base that the adapter belongs to: a directory or `hf://owner/name@revision`; null when it is nowhere stored. */
  base: string | null
}

/**
 * Writes the LoRA factors of a model as an adapter that PEFT loads beside the base: adapter_config.json and
 * adapter_model.safetensors (f32, names `base_model.model.<layer>.lora_A.weight`). Replaces an older one.
 */
export async function saveAdapter(dir: string, model: Model, { lora, base }: SaveAdapterOptions): Promise<void> {
  const tensors = [...(model.weights.adapter?.shapes ?? [])].map(
    ([path, shape]): TensorEntry => ({
      name: `base_model.model.${path}`,
      dtype: 'F32',
      shape: [...shape],
      data: async () => fromFloat32((await model.parameter(path).read()) as Float32Array, 'F32'),
    }),
  )
  await writeDirectoryAtomic(
    dir,
    async temporary => {
      await writeSafetensors(join(temporary, 'adapter_model.safetensors'), tensors)
      const text = `${JSON.stringify(adapterConfig(lora, base), null, 2)}\n`
      writeFileAtomic(join(temporary, 'adapter_config.json'), text)
    },
    { overwrite: true },
  )
}

/** The fields that PEFT reads; those of variants (DoRA, rsLoRA, patterns by layer) keep its defaults. */
function adapterConfig({ rank, alpha, targets }: LoraOptions, base: string | null): Record<string, unknown> {
  const [, name = base, revision = null] = /^hf:\/\/([^@]+)(?:@(.+))?$/.exec(base ?? '') ?? []
  return {
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: name,
    revision,
    r: rank,
    lora_alpha: alpha,
    lora_dropout: 0,
    target_modules: [...targets],
    bias: 'none',
    fan_in_fan_out: false,
    init_lora_weights: 'gaussian',
    inference_mode: true,
    use_rslora: false,
    use_dora: false,
  }
}
