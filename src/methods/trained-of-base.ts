import { expandConfig } from '../expansion/expand-config.js'
import { expandParameters } from '../expansion/expand-parameters.js'
import { type ExpansionPlan, planExpansion } from '../expansion/plan.js'
import { newLayers, readProvenance } from '../expansion/provenance.js'
import { selectTrainable } from '../freeze/rules.js'
import type { ModelConfig } from '../model/config.js'
import { layerOf, parameterShapes } from '../model/parameters.js'
import type { Recipe } from '../train/recipe.js'
import { internal } from '../util/errors.js'
import { existingBlocks } from './existing-blocks.js'

/** The plan of an expansion recipe for a base. */
export function planOf({ expansion }: Recipe, config: ModelConfig): ExpansionPlan {
  if (!expansion) throw internal('an expansion recipe without its block')
  const { groups, copies, placement, at } = expansion
  const options = at
    ? { at }
    : { ...(groups ? { groups } : {}), ...(copies ? { copies } : {}), ...(placement ? { placement } : {}) }
  return planExpansion(config, options)
}

/** Freeze rules of a recipe that trains blocks of the base. */
export function existingRules({ existing }: Recipe, config: ModelConfig): string[] {
  if (!existing) throw internal('a recipe for existing blocks without their number')
  return [`blocks ${existingBlocks(config.numHiddenLayers, existing).join(',')}`]
}

/**
 * Parameters of the base whose values a recipe's method will change, by path; worked out from the configuration alone, so
 * that all others can be loaded as frozen ones.
 * @throws LabError FREEZE_RULE, FREEZE_NOTHING, and those of expansion plans
 */
export function trainedOfBase(recipe: Recipe, config: ModelConfig): Set<string> {
  const paths = [...parameterShapes(config).keys()]
  const chosen = (rules: readonly string[]) => new Set(selectTrainable(paths, rules, readProvenance(config)).trainable)
  switch (recipe.method) {
    case 'expansion':
      return trainedOldBlocks(recipe, config, paths)
    case 'full':
      return chosen(recipe.train)
    case 'existing':
      return chosen(existingRules(recipe, config))
    case 'lora':
    case 'moe':
      return new Set()
  }
}

function trainedOldBlocks(recipe: Recipe, config: ModelConfig, paths: readonly string[]): Set<string> {
  const plan = planOf(recipe, config)
  const provenance = readProvenance(expandConfig(config, plan))
  const sources = expandParameters(paths, plan)
  const added = newLayers(provenance)
  const { trainable } = selectTrainable(sources.keys(), recipe.train, provenance)
  return new Set(trainable.filter(path => !added.has(layerOf(path) ?? -1)).map(path => sources.get(path)!.from))
}
