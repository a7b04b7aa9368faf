import type { ModelConfig } from '../model/config.js'
import { toConfigJson } from '../model/config-json.js'
import { checkPlan, type ExpansionPlan } from './plan.js'
import { type ProvenanceOptions, provenanceKey, provenanceOf } from './provenance.js'

/** Lists of config.json that may be as long as the model is deep without being about its blocks. */
const notPerLayer = new Set([
  ...['architectures', 'bos_token_id', 'eos_token_id', 'pad_token_id', 'bad_words_ids', 'suppress_tokens'],
  ...['begin_suppress_tokens', 'forced_bos_token_id', 'forced_eos_token_id', 'exponential_decay_length_penalty'],
])

/**
 * The configuration of the expanded model: more blocks, every per-block list of config.json (`layer_types` and others of
 * that length) and the window threshold carried over from the source blocks, and the provenance written under
 * `llama_pro`.
 *
 * @throws LabError EXPANSION_PLAN when the plan is for another number of blocks; PROVENANCE when the given model's own is damaged
 */
export function expandConfig(config: ModelConfig, plan: ExpansionPlan, options: ProvenanceOptions = {}): ModelConfig {
  checkPlan(plan, config.numHiddenLayers)
  const sources = plan.layers.map(block => block.sourceLayer)
  const raw = Object.fromEntries(
    Object.entries(config.raw).map(([key, value]) => [
      key,
      Array.isArray(value) && value.length === config.numHiddenLayers && !notPerLayer.has(key)
        ? sources.map(source => value[source] as unknown)
        : value,
    ]),
  )
  const expanded: ModelConfig = {
    ...config,
    numHiddenLayers: plan.numHiddenLayers,
    slidingWindows: sources.map(source => config.slidingWindows[source]!),
    raw: { ...raw, [provenanceKey]: provenanceOf(config, plan, options) },
  }
  // raw is what config.json will hold, as for any configuration that was read
  return { ...expanded, raw: toConfigJson(expanded) }
}
