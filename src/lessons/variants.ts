/** Other ways to begin a copied block, as weights that differ from the live model's in a few places; nothing is changed in it. */
import type { Weights } from '../model/weights.js'
import { mul } from '../tensor/ops/elementwise.js'
import { zeros } from '../tensor/ops/movement.js'
import { type BlockPair, type LessonSubject, pathIn } from './subject.js'

/** Which parameters of a copy are zeros at the start. */
export interface ZeroRule {
  readonly name: string
  readonly zeroed: readonly string[]
}

export const zeroRules: readonly ZeroRule[] = [
  { name: 'o_proj and down_proj (the paper)', zeroed: ['self_attn.o_proj.weight', 'mlp.down_proj.weight'] },
  { name: 'o_proj alone', zeroed: ['self_attn.o_proj.weight'] },
  { name: 'down_proj alone', zeroed: ['mlp.down_proj.weight'] },
  { name: 'both norms', zeroed: ['input_layernorm.weight', 'post_attention_layernorm.weight'] },
  { name: 'nothing (a plain copy)', zeroed: [] },
]

/** The live model's weights with the block `added` begun by a rule: copied from its source, then zeroed. */
export function begunBy({ model }: LessonSubject, { added, source }: BlockPair, { zeroed }: ZeroRule): Weights {
  const prefix = pathIn(added, '')
  return path => {
    if (!path.startsWith(prefix)) return model.weights(path)
    const name = path.slice(prefix.length)
    if (zeroed.includes(name)) return zeros(model.parameter(path).shape)
    // times one: a value of its own, so that gradients with respect to it are not those of the source
    return mul(model.weights(pathIn(source, name)), 1)
  }
}
