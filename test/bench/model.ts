import { createEngine } from '../../src/index.js'
import { type ModelConfig, parseModelConfig } from '../../src/model/config.js'
import { Model, randomParameters } from '../../src/model/model.js'
import type { Engine, Precision } from '../../src/tensor/engine.js'
import type { BenchCase } from './cases.js'

/** The configuration of a case: an untied Llama without grouped queries, as the peers have it. */
export function configOf(shape: BenchCase): ModelConfig {
  return parseModelConfig({
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: shape.hiddenSize,
    intermediate_size: shape.intermediateSize,
    num_hidden_layers: shape.blocks,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.heads,
    vocab_size: shape.vocabSize,
    max_position_embeddings: shape.seqLen,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: false,
    torch_dtype: 'float32',
  })
}

/** A model of random weights on an engine of its own. */
export function modelOf(
  shape: BenchCase,
  { device, ...options }: { device: string; threads: number; precision?: Precision },
): Model {
  const engine: Engine = createEngine(device, options)
  const config = configOf(shape)
  return new Model(config, engine, randomParameters(config, 0))
}
