import { join } from 'node:path'
import { loadModel } from '../../src/checkpoint/load-model.js'
import { saveResult } from '../../src/lab/save-result.js'
import { type ModelConfig, parseModelConfig } from '../../src/model/config.js'
import { forward, logitsOf } from '../../src/model/forward.js'
import { Model } from '../../src/model/model.js'
import { elementCount } from '../../src/model/parameters.js'
import type { Engine } from '../../src/tensor/engine.js'
import { fromHost, toHost } from '../../src/tensor/leaf.js'
import { realize } from '../../src/tensor/program.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { tinyJson } from '../support/configs.js'
import { repositoryRoot } from '../support/shared.js'

/** The directory of the demo's vocabulary. */
export const demoTokenizer = join(repositoryRoot, 'datasets/demo/base')

const size = {
  hidden_size: 32,
  intermediate_size: 48,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 97,
  max_position_embeddings: 64,
}

const llama3Rope = {
  rope_type: 'llama3',
  factor: 4,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 16,
}

export interface Family {
  name: string
  /** The class that transformers must choose. */
  className: string
  json: Record<string, unknown>
  dtype: ModelConfig['dtype']
  /** Shard size of the expanded model; the default holds all in one file. */
  maxShardBytes?: number
}

/** Tiny configurations that between them use every feature of a saved model; windows are shorter than the texts that are compared. */
export const families: readonly Family[] = [
  {
    name: 'llama, untied, in shards',
    className: 'LlamaForCausalLM',
    json: tinyJson(size),
    dtype: 'float32',
    maxShardBytes: 40_000,
  },
  {
    name: 'llama, tied, bf16, llama3 rope',
    className: 'LlamaForCausalLM',
    json: tinyJson({ ...size, tie_word_embeddings: true, rope_scaling: llama3Rope, rope_theta: 500000 }),
    dtype: 'bfloat16',
  },
  {
    name: 'llama, biases, head_dim, f16',
    className: 'LlamaForCausalLM',
    json: tinyJson({ ...size, attention_bias: true, mlp_bias: true, head_dim: 16 }),
    dtype: 'float16',
  },
  {
    name: 'qwen2, tied, windows on the upper blocks',
    className: 'Qwen2ForCausalLM',
    json: tinyJson({
      ...size,
      architectures: ['Qwen2ForCausalLM'],
      model_type: 'qwen2',
      tie_word_embeddings: true,
      use_sliding_window: true,
      sliding_window: 8,
      max_window_layers: 2,
    }),
    dtype: 'float32',
  },
  {
    name: 'qwen3, q/k norms, bf16, in shards',
    className: 'Qwen3ForCausalLM',
    json: tinyJson({ ...size, architectures: ['Qwen3ForCausalLM'], model_type: 'qwen3', head_dim: 16 }),
    dtype: 'bfloat16',
    maxShardBytes: 20_000,
  },
  {
    name: 'mistral, sliding window',
    className: 'MistralForCausalLM',
    json: tinyJson({ ...size, architectures: ['MistralForCausalLM'], model_type: 'mistral', sliding_window: 8 }),
    dtype: 'float32',
  },
]

/**
 * Saves a model of random weights in which everything matters: matrices large enough for attention to choose, norms beside one,
 * biases beside zero.
 */
export async function saveRandomModel(dir: string, { name, json, dtype }: Family, engine: Engine): Promise<void> {
  const model = new Model(parseModelConfig(json), engine, (path, shape) => {
    const random = new Prng(keyOf(name, path))
    const [mean, deviation] = path.endsWith('norm.weight') ? [1, 0.2] : [0, 0.25]
    const values = Float32Array.from({ length: elementCount(shape) }, () => mean + deviation * random.normal())
    return { dtype: 'f32', init: { kind: 'host', data: toHost(values, 'f32'), transfer: true } }
  })
  await saveResult(dir, model, { companionsFrom: demoTokenizer, dtype })
  model.dispose()
}

/** What `logits.py` says of a model. */
export interface LoadedModel {
  family: string
  layers: number
  llamaPro: unknown
  /** Paths of tensors by what is wrong with them: missing_keys, unexpected_keys and others. */
  loading: Record<string, string[]>
  /** (T * V) */
  logits: number[]
}

/** Our logits (T * V) of one row of ids by the model in a directory. */
export async function logitsOfModel(dir: string, ids: readonly number[], engine: Engine): Promise<Float32Array> {
  const model = await loadModel(dir, engine)
  const row = fromHost(Int32Array.from(ids), [1, ids.length], 'i32')
  const { hidden } = forward(model.config, model.weights, row)
  const [logits] = await realize([logitsOf(model.config, model.weights, hidden)])
  model.dispose()
  return logits as Float32Array
}

/** Largest |a - b|; infinite where lengths differ or a number is none. */
export function maxDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length === 0) return Number.POSITIVE_INFINITY
  let worst = 0
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!)
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
  }
  return worst
}
