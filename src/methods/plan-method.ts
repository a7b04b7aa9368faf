/** One interface for all ways to go on from a base: what becomes of the model, what is trained, and where the base is kept. */
import { expandConfig } from '../expansion/expand-config.js'
import { expandModel } from '../expansion/expand-model.js'
import { expandParameters } from '../expansion/expand-parameters.js'
import { planExpansion } from '../expansion/plan.js'
import { newLayers, readProvenance } from '../expansion/provenance.js'
import { type BaseReference, withoutNewBlocks } from '../forgetting/reference.js'
import { checkDead } from '../freeze/dead.js'
import { selectTrainable } from '../freeze/rules.js'
import { zeroProjections } from '../freeze/zero-tensors.js'
import type { ModelConfig } from '../model/config.js'
import type { Model } from '../model/model.js'
import { layerOf, parameterShapes } from '../model/parameters.js'
import type { Adapter } from '../model/weights.js'
import type { Recipe } from '../train/recipe.js'
import { internal } from '../util/errors.js'
import { existingBlocks } from './existing-blocks.js'
import { addLora, checkLora, loraAdapter } from './lora.js'
import { addExperts, expertAdapter } from './two-experts.js'

/** What a method will do to a base; known from the base's configuration, before any weight is loaded. */
export interface MethodPlan {
  readonly trainable: readonly string[]
  readonly frozen: readonly string[]
  /** Parameters of the base whose values training changes, in the base or in a copy; by their paths in the base. */
  readonly trainedOfBase: ReadonlySet<string>
  /** Whether the model gets copies of the base's weights. Otherwise it takes the base over: dispose of the model only. */
  readonly copiesBase: boolean
  /** Whether the model computes what the base does before the first step. */
  readonly startsAsBase: boolean
  /**
   * Makes the base ready for training.
   * @throws LabError FREEZE_DEAD for a configuration that cannot learn
   */
  apply(base: Model): Promise<AppliedMethod>
}

/** A base made ready for training. */
export interface AppliedMethod {
  /** The model that is trained. */
  readonly model: Model
  /** What a reader should be told: parts that cannot learn. */
  readonly warnings: readonly string[]
  /** The base as a setting of the model, exact all through the run; null when weights of the base itself are trained. */
  readonly reference: BaseReference | null
}

/** What tells one method from another. */
interface Method {
  /** Of the model that is trained; default that of the base. */
  config?: ModelConfig
  adapter?: Adapter
  rules: readonly string[]
  copiesBase?: boolean
  startsAsBase?: boolean
  /** The parameter of the base that one of the model's old blocks is; default the one of that path. */
  sourceOf?(path: string): string | undefined
  make(base: Model): Promise<Pick<AppliedMethod, 'model'> & { warnings?: string[] }>
}

const methods: Record<Recipe['method'], (recipe: Recipe, config: ModelConfig) => Method> = {
  expansion({ expansion, train }, config) {
    if (!expansion) throw internal('an expansion recipe without its block')
    const { groups, copies, placement, at } = expansion
    const options = at
      ? { at }
      : { ...(groups ? { groups } : {}), ...(copies ? { copies } : {}), ...(placement ? { placement } : {}) }
    const plan = planExpansion(config, options)
    const expanded = expandConfig(config, plan)
    const added = newLayers(readProvenance(expanded))
    const sources = expandParameters(parameterShapes(config).keys(), plan)
    const sourceOf = (path: string) => (added.has(layerOf(path) ?? -1) ? undefined : sources.get(path)?.from)
    const make: Method['make'] = async base => ({ model: await expandModel(base, plan) })
    return { config: expanded, rules: train, copiesBase: true, sourceOf, make }
  },
  full: ({ train }) => ({ rules: train, make: async model => ({ model }) }),
  lora({ lora, train, seed }, config) {
    if (!lora) throw internal('a LoRA recipe without its options')
    const make: Method['make'] = async base => {
      const warnings = await checkLora(base, lora)
      return { model: addLora(base, lora, { seed }), warnings }
    }
    return { adapter: loraAdapter(config, lora), rules: train, make }
  },
  existing({ existing }, config) {
    if (!existing) throw internal('a recipe for existing blocks without their number')
    const blocks = existingBlocks(config.numHiddenLayers, existing)
    return { rules: [`blocks ${blocks.join(',')}`], make: async model => ({ model }) }
  },
  moe: ({ train }, config) => ({
    adapter: expertAdapter(config),
    rules: train,
    startsAsBase: false,
    make: async base => ({ model: addExperts(base) }),
  }),
}

/**
 * What the method of a recipe will do to a base.
 * @throws LabError METHOD, FREEZE_RULE, FREEZE_NOTHING, and those of expansion plans
 */
export function planMethod(recipe: Recipe, baseConfig: ModelConfig): MethodPlan {
  const method = methods[recipe.method](recipe, baseConfig)
  const { config = baseConfig, adapter, rules, copiesBase = false, startsAsBase = true, make } = method
  const ofBase = new Set(parameterShapes(baseConfig).keys())
  const sourceOf = method.sourceOf ?? ((path: string) => (ofBase.has(path) ? path : undefined))
  const provenance = readProvenance(config)
  const paths = [...parameterShapes(config).keys(), ...(adapter?.shapes.keys() ?? [])]
  const { trainable, frozen } = selectTrainable(paths, rules, provenance)
  const deadOf = async (base: Model) => {
    // what an adapter trains feeds no projection of its block, or has a check of its own (LoRA)
    if (adapter) return []
    const isFrozen = (path: string) => !trainable.includes(path)
    // blocks that are added now are zero by construction; those of an earlier expansion may have learned
    const now = copiesBase ? {} : await zeroProjections(base, provenance, isFrozen)
    return checkDead(trainable, provenance, now).map(warning => warning.message)
  }
  const apply: MethodPlan['apply'] = async base => {
    const dead = await deadOf(base)
    const { model, warnings = [] } = await make(base)
    return { model, warnings: [...warnings, ...dead], reference: baseWithin(model, trainable, copiesBase) }
  }
  const trainedOfBase = new Set(trainable.flatMap(path => sourceOf(path) ?? []))
  return { trainable, frozen, trainedOfBase, copiesBase, startsAsBase, apply }
}

/** The base inside a model: without its adapter, or without its new blocks. */
function baseWithin(model: Model, trainable: readonly string[], copiesBase: boolean): BaseReference | null {
  const { config, weights } = model
  if (weights.adapter) return { config, weights: path => weights(path), options: {} }
  const added = newLayers(readProvenance(config))
  const onlyNew = copiesBase && trainable.every(path => added.has(layerOf(path) ?? -1))
  return onlyNew ? withoutNewBlocks(model) : null
}
