import { fromFloat32 } from '../../src/checkpoint/convert.js'
import { saveModel } from '../../src/checkpoint/save.js'
import { type ModelConfig, parseModelConfig } from '../../src/model/config.js'
import { elementCount, parameterShapes } from '../../src/model/parameters.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { tinyJson } from './configs.js'

/** Dimensions of a model whose every matrix has rows of whole quantisation blocks. */
const quantizable = { hidden_size: 32, intermediate_size: 64, num_attention_heads: 2, num_key_value_heads: 1 }

/** Writes a random model stored in 16 bits; matrices of deviation 0.2, norms around 1. */
export async function writeHalfModel(
  dir: string,
  dtype: 'BF16' | 'F16',
  changes: Record<string, unknown> = {},
): Promise<ModelConfig> {
  const json = tinyJson({ ...quantizable, torch_dtype: dtype === 'BF16' ? 'bfloat16' : 'float16', ...changes })
  const config = parseModelConfig(json)
  const tensors = [...parameterShapes(config)].map(([name, shape]) => {
    const random = new Prng(keyOf(name))
    const center = name.endsWith('norm.weight') ? 1 : 0
    const values = Float32Array.from({ length: elementCount(shape) }, () => center + 0.2 * random.normal())
    return { name, dtype, shape, data: fromFloat32(values, dtype) }
  })
  await saveModel(dir, { config, tensors })
  return config
}
