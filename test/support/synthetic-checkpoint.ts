/** Llama-shaped checkpoints of any size with random bf16 weights, written without ever holding a tensor in memory. */
import { saveModel } from '../../src/checkpoint/save.js'
import type { TensorEntry } from '../../src/checkpoint/write.js'
import { type ModelConfig, parseModelConfig } from '../../src/model/config.js'
import { elementCount, parameterShapes } from '../../src/model/parameters.js'
import { f32ToBf16 } from '../../src/tensor/half.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { demoTokenizer } from './tiny-run.js'

export interface SyntheticShape {
  hiddenSize: number
  intermediateSize: number
  layers: number
  heads: number
  keyValueHeads: number
  vocabSize: number
}

/** Shapes by number of parameters: 97 M, 291 M, and 3.02 G (blocks of Llama-3.2-3B under the vocabulary of Llama 2). */
export const syntheticShapes = {
  '100M': { hiddenSize: 768, intermediateSize: 2048, layers: 12, heads: 12, keyValueHeads: 4, vocabSize: 16000 },
  '300M': { hiddenSize: 1024, intermediateSize: 2816, layers: 20, heads: 16, keyValueHeads: 4, vocabSize: 32000 },
  '3B': { hiddenSize: 3072, intermediateSize: 8192, layers: 28, heads: 24, keyValueHeads: 8, vocabSize: 32000 },
} as const satisfies Record<string, SyntheticShape>

/** Random numbers that tensors repeat, each from another place on. */
const POOL = 1 << 20

/** Writes the model with the demo's tokenizer beside it. */
export async function writeSynthetic(dir: string, shape: SyntheticShape): Promise<ModelConfig> {
  const config = parseModelConfig({
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: shape.hiddenSize,
    intermediate_size: shape.intermediateSize,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    num_key_value_heads: shape.keyValueHeads,
    vocab_size: shape.vocabSize,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: false,
    bos_token_id: 0,
    eos_token_id: 1,
    torch_dtype: 'bfloat16',
  })
  const random = new Prng(keyOf('synthetic'))
  const pool = Uint16Array.from({ length: POOL }, () => f32ToBf16(0.02 * random.normal()))
  const tensors: TensorEntry[] = [...parameterShapes(config)].map(([name, size]) => ({
    name,
    dtype: 'BF16',
    shape: size,
    data: () => (name.endsWith('norm.weight') ? ones(elementCount(size)) : repeated(pool, name, elementCount(size))),
  }))
  await saveModel(dir, { config, tensors, companionsFrom: demoTokenizer, maxShardBytes: 2e9 })
  return config
}

function ones(length: number): Uint8Array {
  return new Uint8Array(new Uint16Array(length).fill(0x3f80).buffer)
}

async function* repeated(pool: Uint16Array, name: string, length: number): AsyncGenerator<Uint8Array> {
  let at = new Prng(keyOf(name)).below(POOL)
  for (let done = 0; done < length; ) {
    const count = Math.min(POOL - at, length - done)
    yield new Uint8Array(pool.buffer, 2 * at, 2 * count)
    done += count
    at = 0
  }
}
