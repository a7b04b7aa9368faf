import { newLayers, readProvenance } from '../expansion/provenance.js'
import type { ModelConfig } from '../model/config.js'
import type { ForwardOptions } from '../model/forward.js'
import type { Model } from '../model/model.js'
import type { Weights } from '../model/weights.js'

/** The base model that forgetting is measured against: what to run, with which weights. */
export interface BaseReference {
  readonly config: ModelConfig
  readonly weights: Weights
  readonly options: ForwardOptions
}

/**
 * The base of an expanded model, in the expanded model itself: every new block left out. Exact as long as the old blocks
 * are frozen; costs no second copy of the weights.
 */
export function withoutNewBlocks(model: Model): BaseReference {
  return { config: model.config, weights: model.weights, options: { without: newLayers(readProvenance(model.config)) } }
}

/** A base held as a model of its own: needed when old weights are trained. */
export function modelReference(base: Model): BaseReference {
  return { config: base.config, weights: base.weights, options: {} }
}
