import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'

export type ModelType = 'llama' | 'mistral' | 'qwen2' | 'qwen3'

/** Keys whose values are read into the model's configuration, for every family. */
const handled = [
  'model_type',
  'architectures',
  'hidden_size',
  'intermediate_size',
  'num_hidden_layers',
  'num_attention_heads',
  'num_key_value_heads',
  'head_dim',
  'vocab_size',
  'max_position_embeddings',
  'original_max_position_embeddings',
  'hidden_act',
  'rms_norm_eps',
  'rope_theta',
  'rope_scaling',
  'rope_parameters',
  'tie_word_embeddings',
  'dtype',
  'torch_dtype',
  'bos_token_id',
  'eos_token_id',
  'pad_token_id',
  'llama_pro',
]

/** Keys that a family reads besides {@link handled}. */
const handledByFamily: Record<ModelType, string[]> = {
  llama: ['attention_bias', 'mlp_bias'],
  mistral: ['sliding_window', 'layer_types'],
  qwen2: ['sliding_window', 'use_sliding_window', 'max_window_layers', 'layer_types'],
  qwen3: ['attention_bias', 'sliding_window', 'use_sliding_window', 'max_window_layers', 'layer_types'],
}

/** Keys that never change what the model computes: book-keeping, initialisation, caching, defaults of text generation. */
const harmless = new Set([
  ...[
    'transformers_version',
    '_name_or_path',
    'name_or_path',
    '_commit_hash',
    'transformers.js_config',
    'task_specific_params',
  ],
  ...[
    'is_llama_config',
    'unsloth_fixed',
    'unsloth_version',
    'tokenizer_class',
    'finetuning_task',
    'neftune_noise_alpha',
  ],
  ...[
    'initializer_range',
    'use_cache',
    'use_bfloat16',
    'is_decoder',
    'chunk_size_feed_forward',
    'gradient_checkpointing',
  ],
  ...['_attn_implementation', 'attn_implementation', '_attn_implementation_autoset', '_flash_attn_2_enabled'],
  ...['output_attentions', 'output_hidden_states', 'return_dict', 'torchscript', 'tf_legacy_loss', 'use_return_dict'],
  ...['id2label', 'label2id', 'num_labels', 'problem_type', 'sep_token_id', 'unk_token_id'],
  ...['decoder_start_token_id', 'forced_bos_token_id', 'forced_eos_token_id', 'bad_words_ids', 'suppress_tokens'],
  ...[
    'begin_suppress_tokens',
    'max_length',
    'min_length',
    'do_sample',
    'early_stopping',
    'num_beams',
    'num_beam_groups',
  ],
  ...['diversity_penalty', 'temperature', 'top_k', 'top_p', 'typical_p', 'repetition_penalty', 'length_penalty'],
  ...['no_repeat_ngram_size', 'encoder_no_repeat_ngram_size', 'num_return_sequences', 'output_scores', 'prefix'],
  ...['return_dict_in_generate', 'remove_invalid_values', 'exponential_decay_length_penalty', 'max_new_tokens'],
])

/** Keys that change what the model computes unless they have a neutral value, with what they would do. */
const neutral: { keys: string[]; values: unknown[]; reason: string }[] = [
  {
    keys: ['quantization_config', 'compression_config', 'quantization'],
    values: [],
    reason: 'the weights are quantized; use a checkpoint in float32, float16 or bfloat16',
  },
  { keys: ['is_causal'], values: [true], reason: 'expected true or false' },
  {
    keys: ['pretraining_tp'],
    values: [1],
    reason: 'it slices the linear layers and changes their rounding; set it to 1',
  },
  {
    keys: ['partial_rotary_factor', 'rotary_pct', 'rotary_emb_fraction'],
    values: [1],
    reason: 'only a part of each head would be rotated',
  },
  {
    keys: [
      'rope_interleaved',
      'use_mrope',
      'use_dynamic_ntk',
      'use_logn_attn',
      'no_rope_layers',
      'no_rope_layer_interval',
    ],
    values: [],
    reason: 'it changes the position encoding',
  },
  {
    keys: [
      'attention_dropout',
      'hidden_dropout',
      'resid_pdrop',
      'embd_pdrop',
      'attn_pdrop',
      'residual_dropout',
      'classifier_dropout',
    ],
    values: [],
    reason: 'dropout is not implemented; set it to 0 to train without it',
  },
  {
    keys: [
      ...['num_local_experts', 'num_experts', 'n_routed_experts', 'num_experts_per_tok', 'moe_intermediate_size'],
      ...[
        'shared_expert_intermediate_size',
        'decoder_sparse_step',
        'mlp_only_layers',
        'router_aux_loss_coef',
        'n_shared_experts',
      ],
    ],
    values: [],
    reason: 'mixtures of experts are not supported',
  },
  {
    keys: [
      'attn_logit_softcapping',
      'final_logit_softcapping',
      'logit_softcap',
      'logits_soft_cap',
      'attention_sinks',
      'use_attention_sinks',
    ],
    values: [],
    reason: 'soft-capped logits and attention sinks are not supported',
  },
  {
    keys: [
      'logit_scale',
      'logits_scaling',
      'embedding_multiplier',
      'residual_multiplier',
      'lm_head_multiplier',
      'scale_emb',
    ],
    values: [1],
    reason: 'it scales activations',
  },
  {
    keys: ['auto_map'],
    values: [],
    reason: 'the model brings its own code, which is never run; remove the key if the code is the stock implementation',
  },
  {
    keys: ['per_layer_config'],
    values: [],
    reason: 'blocks of unequal shape are not supported',
  },
  {
    keys: ['sliding_window', 'use_sliding_window', 'layer_types', 'attention_bias', 'mlp_bias'],
    values: [],
    reason:
      'this family does not read it in transformers, so the checkpoint and its configuration disagree; remove the key',
  },
]

const neutralByKey = new Map(neutral.flatMap(entry => entry.keys.map(key => [key, entry] as const)))

/** Keys whose false, unlike that of most, switches something on. */
const notOff: Record<string, string> = {
  is_causal: 'every token would attend to all others; this decoder is causal, and so is its loss',
}

/** Null, false, zero, and empty text, list or object: values that switch an unknown feature off. */
function isOff(value: unknown): boolean {
  if (value === null || value === false || value === 0 || value === '') return true
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0
}

/**
 * Refuses every key of a config.json that would change what the model computes and that this family does not implement.
 * Known-harmless keys pass with any value; unknown keys pass only when null, false, zero or empty.
 *
 * @throws LabError CONFIG_UNSUPPORTED (a known feature) or CONFIG_UNKNOWN_KEY, both naming the key and its value
 */
export function checkConfigKeys(raw: Record<string, unknown>, modelType: ModelType, where: string): void {
  const known = new Set([...handled, ...handledByFamily[modelType]])
  // transformers always gives Qwen2 its q/k/v biases and never reads this key
  if (modelType === 'qwen2') known.add('attention_bias')
  for (const [key, value] of Object.entries(raw)) {
    const inverted = value === false ? notOff[key] : undefined
    if (inverted !== undefined)
      throw new LabError('CONFIG_UNSUPPORTED', `${where}: "${key}": false is not supported: ${inverted}.`)
    if (known.has(key) || harmless.has(key) || isOff(value)) continue
    const entry = neutralByKey.get(key)
    if (entry?.values.includes(value)) continue
    const shown = JSON.stringify(value).slice(0, 120)
    if (entry)
      throw new LabError(
        'CONFIG_UNSUPPORTED',
        `${where}: "${key}": ${shown} is not supported for ${modelType}: ${entry.reason}.`,
      )
    throw new LabError(
      'CONFIG_UNKNOWN_KEY',
      `${where}: unknown key "${key}": ${shown}. It could change what the model computes, so it is refused.` +
        `${didYouMean(key, known)} Remove it if it does not.`,
    )
  }
}
