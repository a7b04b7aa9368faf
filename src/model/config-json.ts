import { LabError } from '../util/errors.js'
import { architectureOf, type ModelConfig } from './config.js'
import { parseRope, ropeFields } from './rope-config.js'
import { parseSlidingWindows, slidingWindowFields } from './sliding-window.js'

/** Keys that Python writes as floats; `500000.0` must not become `500000`, which strict readers refuse. */
const floatKeys =
  /^(\s*"(?:rope_theta|factor|low_freq_factor|high_freq_factor|attention_dropout|initializer_range|rms_norm_eps)": -?\d+)(,?)$/gm

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function biasFields(config: ModelConfig): Record<string, unknown> {
  const { modelType, qkvBias, oBias, mlpBias } = config
  const impossible =
    (modelType === 'mistral' && (qkvBias || oBias || mlpBias)) ||
    (modelType === 'qwen2' && (!qkvBias || oBias || mlpBias)) ||
    (modelType === 'qwen3' && mlpBias) ||
    ((modelType === 'llama' || modelType === 'qwen3') && qkvBias !== oBias) ||
    config.qkNorm !== (modelType === 'qwen3')
  if (impossible)
    throw new LabError(
      'CONFIG_UNSUPPORTED',
      `a ${modelType} config.json cannot say this combination of biases and q/k norms.`,
    )
  if (modelType === 'llama') return { attention_bias: qkvBias, mlp_bias: mlpBias }
  return modelType === 'qwen3' ? { attention_bias: qkvBias } : {}
}

/** Rotary and window fields are rewritten only when they changed, so that what was read comes back as it was. */
function changedFields(config: ModelConfig): Record<string, unknown> {
  const { raw, modelType, numHiddenLayers, slidingWindows } = config
  const rope = { ropeTheta: config.ropeTheta, ropeScaling: config.ropeScaling }
  const wasRead = raw['num_hidden_layers'] !== undefined
  // the length of pretraining defaults to the maximum length, so the new maximum decides what the old fields say
  const fields = { raw: { ...raw, max_position_embeddings: config.maxPositionEmbeddings }, where: 'config.json' }
  const keepsRope = wasRead && same(parseRope(fields), rope)
  const keepsWindows =
    raw['num_hidden_layers'] === numHiddenLayers &&
    same(parseSlidingWindows(fields, modelType, numHiddenLayers), slidingWindows)
  return {
    ...(!keepsRope && ropeFields(rope, raw)),
    ...(!keepsWindows && slidingWindowFields(slidingWindows, modelType, raw)),
  }
}

/**
 * The content of config.json for a configuration: every field of it, written over `config.raw` in the dialect that `raw`
 * speaks (transformers 4, which 5 reads too, for a model made here). `parseModelConfig(toConfigJson(c))` equals `c`.
 *
 * @throws LabError CONFIG_UNSUPPORTED when the family's config.json cannot express the configuration
 */
export function toConfigJson(config: ModelConfig): Record<string, unknown> {
  const { raw, eosTokenIds } = config
  if (config.slidingWindows.length !== config.numHiddenLayers)
    throw new LabError(
      'CONFIG_INVALID',
      `slidingWindows has ${config.slidingWindows.length} entries for ${config.numHiddenLayers} blocks; it needs one per block.`,
    )
  const keepsEosList = Array.isArray(raw['eos_token_id']) && same(raw['eos_token_id'], eosTokenIds)
  return {
    architectures: [architectureOf(config.modelType)],
    ...raw,
    model_type: config.modelType,
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.numHiddenLayers,
    num_attention_heads: config.numAttentionHeads,
    num_key_value_heads: config.numKeyValueHeads,
    ...((raw['head_dim'] != null ||
      config.headDim * config.numAttentionHeads !== config.hiddenSize ||
      config.qkNorm) && {
      head_dim: config.headDim,
    }),
    hidden_act: raw['hidden_act'] ?? 'silu',
    vocab_size: config.vocabSize,
    max_position_embeddings: config.maxPositionEmbeddings,
    rms_norm_eps: config.rmsNormEps,
    ...changedFields(config),
    tie_word_embeddings: config.tieWordEmbeddings,
    ...biasFields(config),
    [raw['dtype'] != null ? 'dtype' : 'torch_dtype']: config.dtype,
    bos_token_id: config.bosTokenId,
    eos_token_id: keepsEosList ? eosTokenIds : eosTokenIds.length > 1 ? eosTokenIds : (eosTokenIds[0] ?? null),
  }
}

/** The text of config.json: two-space JSON with Python's floats kept as floats, and a final newline. */
export function configText(config: ModelConfig): string {
  return `${JSON.stringify(toConfigJson(config), null, 2).replace(floatKeys, '$1.0$2')}\n`
}
