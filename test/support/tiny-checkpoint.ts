import { fromFloat32 } from '../../src/checkpoint/convert.js'
import { saveModel } from '../../src/checkpoint/save.js'
import type { TensorEntry } from '../../src/checkpoint/write.js'
import { type ModelConfig, parseModelConfig } from '../../src/model/config.js'
import { elementCount, parameterShapes } from '../../src/model/parameters.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { tinyJson } from './configs.js'

/** Random float32 entries for every parameter of a configuration; each tensor is a function of its name. */
export function randomEntries(config: ModelConfig): TensorEntry[] {
  return [...parameterShapes(config)].map(([name, shape]) => {
    const random = new Prng(keyOf(name))
    const values = Float32Array.from({ length: elementCount(shape) }, () => random.normal())
    return { name, dtype: 'F32', shape, data: fromFloat32(values, 'F32') }
  })
}

/** Writes a tiny random model directory and returns its configuration. */
export async function writeTinyModel(
  dir: string,
  changes: Record<string, unknown> = {},
  extra: TensorEntry[] = [],
): Promise<ModelConfig> {
  const config = parseModelConfig(tinyJson(changes))
  await saveModel(dir, { config, tensors: [...randomEntries(config), ...extra] })
  return config
}
