/**
 * The mixture-of-experts baseline of LLaMA Pro (arXiv 2401.02415, table 5): two experts that are both always active. In
 * every block the output matrix W3 (`mlp.down_proj`) is kept and frozen, a second one, V, is learned beside it, and
 *
 *     FFN(t) = s1 (h W3^T) + s2 (h V^T),   h = SiLU(t W1^T) * (t W2^T),   (s1, s2) = softmax(a1, a2)
 *
 * with the two learned scalars starting at a1 = 1, a2 = 0, and V at zero, as the authors give it in an answer to a reader.
 * So the model does **not** start as its base: W3 counts s1 = e / (e + 1) = 0.731 times at first.
 *
 * Our reading where the paper is silent: the experts share W1 and W2 (only the output matrix is said to be doubled), every
 * block has its own scalars, and nothing but V and the scalars is trained. On LLaMA2-7B that is 1.44 G parameters, near the
 * 1.62 G of eight new blocks. Both experts are linear in the same h, so a plain checkpoint holds the result: s1 W3 + s2 V.
 */

import type { ModelConfig } from '../model/config.js'
import type { Model } from '../model/model.js'
import { layerPrefix, parameterShapes } from '../model/parameters.js'
import type { Adapter, Weights } from '../model/weights.js'
import type { Tensor } from '../tensor/graph.js'
import { toHost } from '../tensor/leaf.js'
import { add, cast, mul } from '../tensor/ops/elementwise.js'
import { matmul } from '../tensor/ops/matmul.js'
import { slice } from '../tensor/ops/movement.js'
import { softmax } from '../tensor/ops/softmax.js'
import { adaptModel } from './adapt.js'

const expert = '.moe_weight'
const gates = '.moe_alphas'

/** A base with a second expert in every block: `<block>.mlp.down_proj.moe_weight` (V) and `.moe_alphas` (a1, a2). Takes the base over. */
export function addExperts(base: Model): Model {
  return adaptModel(base, expertAdapter(base.config), path =>
    path.endsWith(gates)
      ? { dtype: 'f32', init: { kind: 'host', data: toHost(Float32Array.of(1, 0), 'f32') } }
      : { dtype: 'f32', init: { kind: 'zeros' } },
  )
}

/** The adapter of a second expert in every block of a model. */
export function expertAdapter(config: ModelConfig): Adapter {
  const shapes = new Map<string, readonly number[]>()
  const known = parameterShapes(config)
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const layer = `${layerPrefix(i)}mlp.down_proj`
    shapes.set(layer + expert, known.get(`${layer}.weight`)!)
    shapes.set(layer + gates, [2])
  }
  return {
    shapes,
    project(layer, { x, plain, weights }) {
      if (!shapes.has(layer + expert)) return plain
      const [kept, learned] = shares(layer, weights)
      return add(mul(plain, kept), mul(matmul(x, weights(layer + expert), { transB: true }), learned))
    },
    merged(path, weights) {
      const layer = path.replace(/\.(weight|bias)$/, '')
      if (!shapes.has(layer + expert)) return null
      const [kept, learned] = shares(layer, weights)
      const own = mul(cast(weights(path), 'f32'), kept)
      return path.endsWith('.bias') ? own : add(own, mul(weights(layer + expert), learned))
    },
  }
}

/** softmax(a1, a2), each of shape [1]. */
function shares(layer: string, weights: Weights): [Tensor, Tensor] {
  const both = softmax(weights(layer + gates))
  return [slice(both, 0, 0, 1), slice(both, 0, 1, 2)]
}
