import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'
import {
  badField,
  type Fields,
  flag,
  isRecord,
  positiveInteger,
  positiveNumber,
  tokenId,
  tokenIds,
} from './config-fields.js'
import { checkConfigKeys, type ModelType } from './config-keys.js'
import { parseRope, type RopeScaling } from './rope-config.js'
import { parseSlidingWindows } from './sliding-window.js'

export type { ModelType } from './config-keys.js'
export type { RopeScaling } from './rope-config.js'

/** The shape and constants of a decoder of the Llama kind; the terms of Hugging Face's config.json in camelCase. */
export interface ModelConfig {
  modelType: ModelType
  hiddenSize: number
  /** Width of the SwiGLU feed-forward half. */
  intermediateSize: number
  /** Number of blocks. */
  numHiddenLayers: number
  numAttentionHeads: number
  /** Divides numAttentionHeads; fewer than that is grouped-query attention. */
  numKeyValueHeads: number
  /** Width of one head; need not be hiddenSize / numAttentionHeads. Even. */
  headDim: number
  vocabSize: number
  maxPositionEmbeddings: number
  rmsNormEps: number
  /** Base of the rotary wavelengths. */
  ropeTheta: number
  ropeScaling: RopeScaling | null
  /** The output head is the embedding matrix; `lm_head.weight` is not a parameter. */
  tieWordEmbeddings: boolean
  /** Biases on q_proj, k_proj and v_proj. */
  qkvBias: boolean
  oBias: boolean
  /** Biases on gate_proj, up_proj and down_proj. */
  mlpBias: boolean
  /** RMSNorm over each head of q and k before the rotation (Qwen3). */
  qkNorm: boolean
  /** One per block, length numHiddenLayers: the attention window in tokens, or null for full causal attention. */
  slidingWindows: (number | null)[]
  /** Storage dtype of the weights; float32 when config.json does not say. */
  dtype: 'float32' | 'float16' | 'bfloat16'
  bosTokenId: number | null
  eosTokenIds: number[]
  /** The token whose embedding is not trained from the input side (`padding_idx` of torch's Embedding); a tied head trains it still. */
  padTokenId: number | null
  /** config.json as read, so that unknown harmless keys survive a save; `{}` for a model made here. */
  raw: Record<string, unknown>
}

interface Family {
  architecture: string
  /** null: as many as attention heads. */
  numKeyValueHeads: number | null
  /** null: hiddenSize / numAttentionHeads. */
  headDim: number | null
  maxPositionEmbeddings: number
  bosTokenId: number | null
  eosTokenIds: number[]
}

/** Values that transformers takes when config.json leaves a key out. */
const families: Record<ModelType, Family> = {
  llama: {
    architecture: 'LlamaForCausalLM',
    numKeyValueHeads: null,
    headDim: null,
    maxPositionEmbeddings: 2048,
    bosTokenId: 1,
    eosTokenIds: [2],
  },
  mistral: {
    architecture: 'MistralForCausalLM',
    numKeyValueHeads: 8,
    headDim: null,
    maxPositionEmbeddings: 131072,
    bosTokenId: 1,
    eosTokenIds: [2],
  },
  qwen2: {
    architecture: 'Qwen2ForCausalLM',
    numKeyValueHeads: 32,
    headDim: null,
    maxPositionEmbeddings: 32768,
    bosTokenId: null,
    eosTokenIds: [],
  },
  qwen3: {
    architecture: 'Qwen3ForCausalLM',
    numKeyValueHeads: 32,
    headDim: 128,
    maxPositionEmbeddings: 32768,
    bosTokenId: null,
    eosTokenIds: [],
  },
}

/** More blocks than any model has; a damaged number must not ask for gigabytes of per-block lists. */
const maxHiddenLayers = 10_000

/** The class name that transformers gives a family's causal language model. */
export function architectureOf(modelType: ModelType): string {
  return families[modelType].architecture
}

function isModelType(name: unknown): name is ModelType {
  return typeof name === 'string' && Object.hasOwn(families, name)
}

function unsupportedFamily(where: string, key: string, value: unknown): LabError {
  const known = Object.keys(families)
  const hint = typeof value === 'string' ? didYouMean(value, known) : ''
  return new LabError(
    'CONFIG_UNSUPPORTED',
    `${where}: "${key}": ${JSON.stringify(value)} is not supported; supported model types are ${known.join(', ')}.${hint}`,
  )
}

/** The family by `model_type`, or by `architectures` when that is absent; the two must agree when both are there. */
function familyOf({ raw, where }: Fields): ModelType {
  const architectures = raw['architectures'] ?? null
  const byArchitecture = (Object.keys(families) as ModelType[]).find(
    type =>
      Array.isArray(architectures) && architectures.length === 1 && architectures[0] === families[type].architecture,
  )
  const modelType = raw['model_type'] ?? byArchitecture
  if (modelType === undefined && architectures === null)
    throw new LabError(
      'CONFIG_INVALID',
      `${where}: neither "model_type" nor "architectures" is there; is this a model's config.json?`,
    )
  if (!isModelType(modelType))
    throw raw['model_type'] == null
      ? unsupportedFamily(where, 'architectures', architectures)
      : unsupportedFamily(where, 'model_type', modelType)
  if (architectures !== null && byArchitecture !== modelType)
    throw new LabError(
      'CONFIG_UNSUPPORTED',
      `${where}: "architectures": ${JSON.stringify(architectures)} is not supported for model_type ${modelType}; expected ["${families[modelType].architecture}"], a causal language model.`,
    )
  return modelType
}

function parseDtype(fields: Fields): ModelConfig['dtype'] {
  const { raw, where } = fields
  const value = raw['dtype'] ?? raw['torch_dtype'] ?? 'float32'
  if (value === 'float32' || value === 'float16' || value === 'bfloat16') return value
  throw new LabError(
    'CONFIG_UNSUPPORTED',
    `${where}: dtype ${JSON.stringify(value)} is not supported; supported are float32, float16 and bfloat16.`,
  )
}

function parseHeads(fields: Fields, family: Family, hiddenSize: number) {
  const numAttentionHeads = positiveInteger(fields, 'num_attention_heads')
  // null stands for "as many as query heads" in every family, an absent key for the family's default
  const absent = fields.raw['num_key_value_heads'] === null ? null : family.numKeyValueHeads
  const numKeyValueHeads = positiveInteger(fields, 'num_key_value_heads', absent ?? numAttentionHeads)
  if (numAttentionHeads % numKeyValueHeads !== 0)
    throw badField(
      fields,
      'num_key_value_heads',
      `a divisor of num_attention_heads (${numAttentionHeads})`,
      numKeyValueHeads,
    )
  const headDim = positiveInteger(fields, 'head_dim', family.headDim ?? Math.floor(hiddenSize / numAttentionHeads))
  if (fields.raw['head_dim'] == null && family.headDim === null && hiddenSize % numAttentionHeads !== 0)
    throw badField(
      fields,
      'hidden_size',
      `a multiple of num_attention_heads (${numAttentionHeads}) when head_dim is not given`,
      hiddenSize,
    )
  if (headDim % 2 !== 0) throw badField(fields, 'head_dim', 'even, because rotary embeddings turn pairs', headDim)
  return { numAttentionHeads, numKeyValueHeads, headDim }
}

/** As torch's Embedding reads it: a negative id counts from the end of the vocabulary (early conversions of Llama have -1). */
function parsePadding(fields: Fields, vocabSize: number): number | null {
  const id = fields.raw['pad_token_id'] ?? null
  if (id === null) return null
  if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < -vocabSize || id >= vocabSize)
    throw badField(fields, 'pad_token_id', `a token id below ${vocabSize}`, id)
  return id < 0 ? vocabSize + id : id
}

function parseBiases(fields: Fields, modelType: ModelType) {
  const readsAttentionBias = modelType === 'llama' || modelType === 'qwen3'
  const attentionBias = readsAttentionBias && flag(fields, 'attention_bias', false)
  return {
    qkvBias: modelType === 'qwen2' || attentionBias,
    oBias: attentionBias,
    mlpBias: modelType === 'llama' && flag(fields, 'mlp_bias', false),
    qkNorm: modelType === 'qwen3',
  }
}

/**
 * Reads a parsed config.json of Llama, Mistral, Qwen2 or Qwen3 in the dialect of transformers 4 (`rope_theta`,
 * `rope_scaling`, `torch_dtype`) or 5 (`rope_parameters`, `dtype`). Absent keys take the defaults of transformers.
 *
 * @param json the parsed file; kept as `raw`, not copied
 * @param where names the file in errors
 * @throws LabError CONFIG_INVALID (a value is missing, wrong or inconsistent), CONFIG_UNSUPPORTED (another family or a
 * feature that is not implemented), CONFIG_UNKNOWN_KEY (a key that may change what the model computes)
 */
export function parseModelConfig(json: unknown, where = 'config.json'): ModelConfig {
  if (!isRecord(json))
    throw new LabError('CONFIG_INVALID', `${where}: expected a JSON object, got ${JSON.stringify(json)?.slice(0, 60)}.`)
  const fields: Fields = { raw: json, where }
  const modelType = familyOf(fields)
  checkConfigKeys(json, modelType, where)
  const family = families[modelType]
  const activation = json['hidden_act'] ?? 'silu'
  if (activation !== 'silu' && activation !== 'swish')
    throw new LabError(
      'CONFIG_UNSUPPORTED',
      `${where}: "hidden_act": ${JSON.stringify(activation)} is not supported; only silu is.`,
    )
  const hiddenSize = positiveInteger(fields, 'hidden_size')
  const numHiddenLayers = positiveInteger(fields, 'num_hidden_layers')
  if (numHiddenLayers > maxHiddenLayers)
    throw badField(fields, 'num_hidden_layers', `at most ${maxHiddenLayers}`, numHiddenLayers)
  const vocabSize = positiveInteger(fields, 'vocab_size')
  return {
    modelType,
    hiddenSize,
    intermediateSize: positiveInteger(fields, 'intermediate_size'),
    numHiddenLayers,
    ...parseHeads(fields, family, hiddenSize),
    vocabSize,
    maxPositionEmbeddings: positiveInteger(fields, 'max_position_embeddings', family.maxPositionEmbeddings),
    rmsNormEps: positiveNumber(fields, 'rms_norm_eps', 1e-6),
    ...parseRope(fields),
    tieWordEmbeddings: flag(fields, 'tie_word_embeddings', false),
    ...parseBiases(fields, modelType),
    slidingWindows: parseSlidingWindows(fields, modelType, numHiddenLayers),
    dtype: parseDtype(fields),
    bosTokenId: tokenId(fields, 'bos_token_id', vocabSize, family.bosTokenId),
    eosTokenIds: tokenIds(fields, 'eos_token_id', vocabSize, family.eosTokenIds),
    padTokenId: parsePadding(fields, vocabSize),
    raw: json,
  }
}
