import { newLayers, readProvenance } from '../expansion/provenance.js'
import type { ModelConfig } from '../model/config.js'
import type { ForwardOptions } from '../model/forward.js'
import type { Model } from '../model/model.js'
import type { Weights } from '../model/weights.js'
import { scalar } from '../tensor/leaf.js'

/** The base model that forgetting is measured against: what to run, with which weights. */
export interface BaseReference {
  readonly config: ModelConfig
  readonly weights: Weights
  readonly options: ForwardOptions
}

/**
 * The base of an expanded model, in the expanded model itself: every new block gated to 0. Exact as long as the old blocks
 * are frozen; costs no second copy of the weights.
 */
export function gatedReference(model: Model): BaseReference {
  const layers = newLayers(readProvenance(model.config))
  const gates = new Map([...layers].map(layer => [layer, scalar(0)]))
  return { config: model.config, weights: model.weights, options: { gates } }
}

/** A base held as a model of its own: needed when old weights are trained. */
export function modelReference(base: Model): BaseReference {
  return { config: base.config, weights: base.weights, options: {} }
}
