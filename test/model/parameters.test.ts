import { describe, expect, it } from 'vitest'
import { parseModelConfig } from '../../src/model/config.js'
import { layerOf, layerPrefix, parameterCount, parameterShapes, splitLayerPath } from '../../src/model/parameters.js'
import { llama2Json, published, tinyJson } from '../support/configs.js'

describe('parameterCount', () => {
  it('agrees with the published sizes', () => {
    const llama2 = parseModelConfig(llama2Json)
    expect(parameterCount(llama2)).toBe(6_738_415_616)
    const deeper = { ...llama2, numHiddenLayers: 40, slidingWindows: Array<null>(40).fill(null) }
    expect(parameterCount(deeper)).toBe(8_357_482_496)
    const llama3 = { ...llama2Json, vocab_size: 128256, intermediate_size: 14336, num_key_value_heads: 8 }
    expect(parameterCount(parseModelConfig(llama3))).toBe(8_030_261_248)
  })

  it.each(published)('$name has $parameters', ({ json, parameters }) => {
    expect(parameterCount(parseModelConfig(json))).toBe(parameters)
  })
})

describe('parameterShapes', () => {
  it('lists biases and norms where the family has them', () => {
    const names = (changes: Record<string, unknown>) =>
      [...parameterShapes(parseModelConfig(tinyJson({ num_hidden_layers: 1, ...changes }))).keys()].map(path =>
        path.replace('model.layers.0.', ''),
      )
    expect(names({ attention_bias: true })).toEqual([
      'model.embed_tokens.weight',
      ...['q', 'k', 'v', 'o'].flatMap(p => [`self_attn.${p}_proj.weight`, `self_attn.${p}_proj.bias`]),
      ...['gate', 'up', 'down'].map(p => `mlp.${p}_proj.weight`),
      'input_layernorm.weight',
      'post_attention_layernorm.weight',
      'model.norm.weight',
      'lm_head.weight',
    ])
    expect(names({ model_type: 'qwen3', architectures: null, tie_word_embeddings: true })).toContain(
      'self_attn.q_norm.weight',
    )
    expect(names({ model_type: 'qwen3', architectures: null, tie_word_embeddings: true })).not.toContain(
      'lm_head.weight',
    )
  })

  it('gives linear weights as (out, in)', () => {
    const shapes = parameterShapes(parseModelConfig(tinyJson({ head_dim: 6, mlp_bias: true })))
    expect(shapes.get('model.layers.3.self_attn.q_proj.weight')).toEqual([12, 8])
    expect(shapes.get('model.layers.3.self_attn.k_proj.weight')).toEqual([6, 8])
    expect(shapes.get('model.layers.3.self_attn.o_proj.weight')).toEqual([8, 12])
    expect(shapes.get('model.layers.3.mlp.down_proj.weight')).toEqual([8, 12])
    expect(shapes.get('model.layers.3.mlp.gate_proj.bias')).toEqual([12])
  })
})

describe('layer paths', () => {
  it('tell 4 from 40 and blocks from everything else', () => {
    expect(layerOf('model.layers.40.mlp.down_proj.weight')).toBe(40)
    expect(layerOf('model.layers.04.mlp.down_proj.weight')).toBeNull()
    expect(layerOf('model.norm.weight')).toBeNull()
    expect(layerOf('vision.model.layers.4.weight')).toBeNull()
    expect('model.layers.40.x'.startsWith(layerPrefix(4))).toBe(false)
    expect(splitLayerPath('model.layers.7.mlp.up_proj.bias')).toEqual({ layer: 7, name: 'mlp.up_proj.bias' })
  })
})
