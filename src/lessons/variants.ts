/** Other ways to begin a copied block, as weights that differ from the live model's in a few places; nothing is changed in it. */
import { isZeroedName } from '../expansion/expand-parameters.js'
import type { Weights } from '../model/weights.js'
import { cast, mul } from '../tensor/ops/elementwise.js'
import { zeros } from '../tensor/ops/movement.js'
import { type BlockPair, type LessonSubject, pathIn } from './subject.js'

/** Which parameters of a copy are zeros at the start. */
export interface ZeroRule {
  readonly name: string
  /** Whether this parameter of a block is. */
  readonly isZeroed: (name: string) => boolean
}

const norms = ['input_layernorm.weight', 'post_attention_layernorm.weight']

export const zeroedNorms: ZeroRule = { name: 'both norms', isZeroed: name => norms.includes(name) }

export const zeroRules: readonly ZeroRule[] = [
  { name: 'o_proj and down_proj (the paper)', isZeroed: isZeroedName },
  { name: 'o_proj alone', isZeroed: name => isZeroedName(name) && name.startsWith('self_attn.') },
  { name: 'down_proj alone', isZeroed: name => isZeroedName(name) && name.startsWith('mlp.') },
  zeroedNorms,
  { name: 'nothing (a plain copy)', isZeroed: () => false },
]

/** The live model's weights with the block `added` begun by a rule: copied from its source, then zeroed. */
export function begunBy({ model }: LessonSubject, { added, source }: BlockPair, { isZeroed }: ZeroRule): Weights {
  const prefix = pathIn(added, '')
  return path => {
    if (!path.startsWith(prefix)) return model.weights(path)
    const name = path.slice(prefix.length)
    if (isZeroed(name)) return zeros(model.parameter(path).shape)
    // times one: a value of its own, so that gradients with respect to it are not those of the source
    return mul(cast(model.weights(pathIn(source, name)), 'f32'), 1)
  }
}
