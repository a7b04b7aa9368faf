/** One interface for all ways to go on from a base: what becomes of the model, what is trained, and where the base is kept. */
import { expandModel } from '../expansion/expand-model.js'
import { newLayers, readProvenance } from '../expansion/provenance.js'
import { type BaseReference, gatedReference } from '../forgetting/reference.js'
import { checkDead } from '../freeze/dead.js'
import { selectTrainable } from '../freeze/rules.js'
import type { Model } from '../model/model.js'
import { layerOf } from '../model/parameters.js'
import type { Recipe } from '../train/recipe.js'
import { internal } from '../util/errors.js'
import { addLora, checkLora } from './lora.js'
import { existingRules, planOf } from './trained-of-base.js'
import { addExperts } from './two-experts.js'

/** A base made ready for training by a method. */
export interface AppliedMethod {
  /** The model that is trained. Unless it is the base, it and the base are independent or, where `sharesBase`, one. */
  readonly model: Model
  /** Whether the model has taken the base's variables over; dispose of the model only. */
  readonly sharesBase: boolean
  readonly trainable: readonly string[]
  readonly frozen: readonly string[]
  /** What a reader should be told: parts that cannot learn. */
  readonly warnings: readonly string[]
  /** The base as a setting of the model, exact all through the run; null when weights of the base itself are trained. */
  readonly reference: BaseReference | null
  /** Whether the model computes what the base does before the first step. */
  readonly startsAsBase: boolean
}

type Applied = Pick<AppliedMethod, 'model' | 'sharesBase' | 'startsAsBase'> & {
  rules: readonly string[]
  warnings?: string[]
}

const builders: Record<Recipe['method'], (recipe: Recipe, base: Model) => Promise<Applied>> = {
  async expansion(recipe, base) {
    const model = await expandModel(base, planOf(recipe, base.config))
    return { model, sharesBase: false, startsAsBase: true, rules: recipe.train }
  },
  async full({ train }, base) {
    return { model: base, sharesBase: true, startsAsBase: true, rules: train }
  },
  async lora({ lora, train, seed }, base) {
    if (!lora) throw internal('a LoRA recipe without its options')
    const warnings = await checkLora(base, lora)
    return { model: addLora(base, lora, { seed }), sharesBase: true, startsAsBase: true, rules: train, warnings }
  },
  async existing(recipe, base) {
    return { model: base, sharesBase: true, startsAsBase: true, rules: existingRules(recipe, base.config) }
  },
  async moe({ train }, base) {
    return { model: addExperts(base), sharesBase: true, startsAsBase: false, rules: train }
  },
}

/**
 * Makes a base ready for training by the method of a recipe.
 * @throws LabError METHOD, FREEZE_RULE, FREEZE_NOTHING, FREEZE_DEAD, and those of expansion plans
 */
export async function applyMethod(recipe: Recipe, base: Model): Promise<AppliedMethod> {
  const { model, sharesBase, startsAsBase, rules, warnings = [] } = await builders[recipe.method](recipe, base)
  const provenance = readProvenance(model.config)
  const { trainable, frozen } = selectTrainable(model.parameters.keys(), rules, provenance)
  const dead = sharesBase ? [] : checkDead(trainable, provenance).map(warning => warning.message)
  const reference = baseWithin(model, trainable, sharesBase)
  return { model, sharesBase, startsAsBase, trainable, frozen, warnings: [...warnings, ...dead], reference }
}

/** The base inside a model: without its adapter, or with its new blocks gated off. */
function baseWithin(model: Model, trainable: readonly string[], sharesBase: boolean): BaseReference | null {
  const { config, weights } = model
  if (weights.adapter) return { config, weights: path => weights(path), options: {} }
  const added = newLayers(readProvenance(config))
  const onlyNew = !sharesBase && trainable.every(path => added.has(layerOf(path) ?? -1))
  return onlyNew ? gatedReference(model) : null
}
