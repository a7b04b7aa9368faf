/** A run small enough for a test: a random two-block base, a few documents, and a recipe that expands it to four blocks. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fromFloat32 } from '../../src/checkpoint/convert.js'
import { saveModel } from '../../src/checkpoint/save.js'
import { parseModelConfig } from '../../src/model/config.js'
import { randomParameters } from '../../src/model/model.js'
import { parameterShapes } from '../../src/model/parameters.js'
import type { MetricRecord } from '../../src/train/metrics.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { repositoryRoot } from './shared.js'

/** The embedded demo's tokenizer: 4,096 byte-level tokens. */
export const demoTokenizer = join(repositoryRoot, 'datasets/demo/base')

const words = 'the river carries stones from a hill to sea and every stone becomes small round sand'.split(' ')

/** Documents of made-up sentences, a function of the seed. */
export function documents(count: number, seed: number | string, length = 40): string[] {
  return Array.from({ length: count }, (_, i) => {
    const random = new Prng(keyOf('documents', seed, i))
    return Array.from({ length: 5 + random.below(length) }, () => words[random.below(words.length)]).join(' ')
  })
}

export function writeJsonl(path: string, texts: readonly string[]): string {
  writeFileSync(path, texts.map(text => `${JSON.stringify({ text })}\n`).join(''))
  return path
}

export interface TinyModelOptions {
  hiddenSize?: number
  intermediateSize?: number
  layers?: number
  heads?: number
  vocabSize?: number
  context?: number
  seed?: number
  /** Standard deviation of the matrices (default 0.02). */
  range?: number
}

/** Writes a Llama of random weights with the demo's tokenizer beside it; returns its directory. */
export async function writeBase(dir: string, options: TinyModelOptions = {}): Promise<string> {
  const { hiddenSize = 16, layers = 2, heads = 2, vocabSize = 4096, context = 64, seed = 1 } = options
  const { intermediateSize = 2 * hiddenSize, range = 0.02 } = options
  const config = parseModelConfig({
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hiddenSize,
    intermediate_size: intermediateSize,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: Math.max(1, heads / 2),
    vocab_size: vocabSize,
    max_position_embeddings: context,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    initializer_range: range,
    tie_word_embeddings: true,
    bos_token_id: 0,
    eos_token_id: 1,
    torch_dtype: 'float32',
  })
  const source = randomParameters(config, seed)
  const tensors = [...parameterShapes(config)].map(([name, shape]) => {
    const { init } = source(name, shape)
    if (init.kind !== 'host') throw new Error('expected host data')
    return { name, dtype: 'F32' as const, shape, data: fromFloat32(init.data as Float32Array, 'F32') }
  })
  await saveModel(dir, { config, tensors, companionsFrom: demoTokenizer })
  return dir
}

/** Writes base, training data and a probe under `dir`; returns a recipe over them, with `changes` laid over it. */
export async function writeTinyRun(
  dir: string,
  changes: Record<string, unknown> = {},
  model: TinyModelOptions = {},
): Promise<Record<string, unknown>> {
  mkdirSync(dir, { recursive: true })
  await writeBase(join(dir, 'base'), model)
  writeJsonl(join(dir, 'one.jsonl'), documents(12, 'one'))
  writeJsonl(join(dir, 'two.jsonl'), documents(9, 'two'))
  writeJsonl(join(dir, 'probe.jsonl'), documents(6, 'probe'))
  return {
    name: 'tiny',
    model: join(dir, 'base'),
    method: 'expansion',
    expansion: { groups: 2, copies: 1 },
    data: {
      sources: [
        { manifest: join(dir, 'one.jsonl'), weight: 2 },
        { manifest: join(dir, 'two.jsonl'), weight: 1 },
      ],
      seqLen: 16,
      windowDocs: 4,
    },
    optimizer: { lr: 0.01 },
    batch: { microBatch: 2 },
    steps: 10,
    seed: 7,
    probes: [{ name: 'general', manifest: join(dir, 'probe.jsonl'), maxTokens: 100 }],
    probeEverySteps: 4,
    checkpointEverySteps: 3,
    ...changes,
  }
}

/** What two runs of the same recipe must have in common: records without clocks, memory and the event of a resume. */
export function comparable(records: readonly MetricRecord[]): Record<string, unknown>[] {
  return records
    .filter(record => record.kind !== 'event' || record.name !== 'resumed')
    .map(record => {
      const { seq, seconds, ...rest } = record
      const { tokensPerSec, rssBytes, ...numbers } = rest as Record<string, unknown>
      return numbers
    })
}
