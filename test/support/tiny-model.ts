/** Models small enough to take apart: on any engine, with everything random away from its neutral value. */
import { type ModelConfig, parseModelConfig } from '../../src/model/config.js'
import { Model } from '../../src/model/model.js'
import type { Engine } from '../../src/tensor/engine.js'
import { sizeOf } from '../../src/tensor/shape.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { tinyJson } from './configs.js'

/** A random model of {@link tinyJson}: matrices of deviation `range`, norms around 1. Each tensor is a function of its path and the seed. */
export function tinyModel(
  engine: Engine,
  { changes = {}, seed = 1, range = 0.3 }: { changes?: Record<string, unknown>; seed?: number; range?: number } = {},
): Model {
  const config: ModelConfig = parseModelConfig(tinyJson(changes))
  return new Model(config, engine, (path, shape) => {
    const random = new Prng(keyOf(path, seed))
    const center = path.endsWith('norm.weight') ? 1 : 0
    const data = Float32Array.from({ length: sizeOf(shape) }, () => center + range * random.normal())
    return { dtype: 'f32', init: { kind: 'host', data } }
  })
}

/** B rows of T token ids below `vocab`, and as many targets. */
export function tinyBatch(B: number, T: number, vocab = 16, seed = 1): { inputIds: Int32Array; targets: Int32Array } {
  const random = new Prng(keyOf('batch', seed))
  const ids = () => Int32Array.from({ length: B * T }, () => random.below(vocab))
  return { inputIds: ids(), targets: ids() }
}
