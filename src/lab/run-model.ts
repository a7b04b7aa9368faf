/** The model part of a run: load or create, expand, choose what is trained. */
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.js'
import { loadModel } from '../checkpoint/load-model.js'
import { expandConfig } from '../expansion/expand-config.js'
import { expandModel } from '../expansion/expand-model.js'
import { type ExpansionPlan, planExpansion } from '../expansion/plan.js'
import { readProvenance } from '../expansion/provenance.js'
import { checkDead } from '../freeze/dead.js'
import { selectTrainable } from '../freeze/rules.js'
import type { ModelConfig } from '../model/config.js'
import { Model, randomParameters } from '../model/model.js'
import { parameterShapes } from '../model/parameters.js'
import type { Engine } from '../tensor/engine.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import type { Recipe } from '../train/recipe.js'
import { internal } from '../util/errors.js'

export interface RunModel {
  /** The model that is trained. */
  readonly model: Model
  /** The base as loaded, kept only where forgetting needs it as a model of its own; else null. */
  readonly base: Model | null
  /** Where the base came from; null for a model that starts from random weights. */
  readonly source: Checkpoint | null
  readonly trainable: readonly string[]
  readonly frozen: readonly string[]
  /** What a reader should be told: halves of blocks that cannot learn, new blocks that are not trained. */
  readonly warnings: readonly string[]
}

/**
 * Builds the model of a recipe on an engine.
 * @param dir directory of the base model; null for `init`
 * @param tokenizer gives a new model its BOS and EOS ids
 * @throws LabError of checkpoints, plans and freeze rules; FREEZE_DEAD for configurations that cannot learn
 */
export async function buildRunModel(
  recipe: Recipe,
  dir: string | null,
  engine: Engine,
  tokenizer: Tokenizer,
): Promise<RunModel> {
  const source = dir === null ? null : await openCheckpoint(dir)
  const config = source ? source.config : initConfig(recipe, tokenizer)
  const plan = planOf(recipe, config)
  const expandedConfig = plan ? expandConfig(config, plan) : config
  const provenance = readProvenance(expandedConfig)
  const { trainable, frozen } = selectTrainable([...parameterShapes(expandedConfig).keys()], recipe.train, provenance)
  const keepsBf16 = storesBf16(engine, trainable)
  const base = source
    ? await loadModel(source, engine, { keepsBf16: plan ? storesBf16(engine, []) : keepsBf16 })
    : new Model(config, engine, randomParameters(config, recipe.seed))
  const model = plan ? await expandModel(base, plan, { keepsBf16 }) : base
  const warnings = checkDead(trainable, model === base ? null : provenance).map(w => w.message)
  const kept = await referenceBase(base, model, trainable, engine, source)
  return { model, base: kept, source, trainable, frozen, warnings }
}

/** With bf16 arithmetic, matrices that are stored in bf16 and not trained stay bf16; what is trained has its master copy in f32. */
function storesBf16({ precision }: Engine, trainable: readonly string[]): (path: string) => boolean {
  const trained = new Set(trainable)
  return path => precision === 'bf16' && !trained.has(path)
}

function planOf(recipe: Recipe, config: ModelConfig): ExpansionPlan | null {
  if (recipe.method !== 'expansion' || !recipe.expansion) return null
  const { groups, copies, placement, at } = recipe.expansion
  const options = at
    ? { at }
    : { ...(groups ? { groups } : {}), ...(copies ? { copies } : {}), ...(placement ? { placement } : {}) }
  return planExpansion(config, options)
}

/**
 * With expansion and only new blocks trained the base is in the expanded model; the loaded one is freed. Otherwise old
 * weights move, and the base is needed beside them. From random weights there is nothing to forget.
 */
async function referenceBase(
  base: Model,
  model: Model,
  trainable: readonly string[],
  engine: Engine,
  source: Checkpoint | null,
): Promise<Model | null> {
  const added = new Set(readProvenance(model.config)?.layers.map(block => `model.layers.${block.index}.`))
  const onlyNew = model !== base && trainable.every(path => [...added].some(prefix => path.startsWith(prefix)))
  if (onlyNew) {
    base.dispose()
    return null
  }
  if (model !== base) return base
  return source ? loadModel(source, engine, { keepsBf16: storesBf16(engine, []) }) : null
}

function initConfig(recipe: Recipe, { bosTokenId, eosTokenId }: Tokenizer): ModelConfig {
  const { init } = recipe
  if (!init) throw internal('a recipe with neither model nor init')
  return {
    modelType: 'llama',
    ...init,
    ropeScaling: null,
    qkvBias: false,
    oBias: false,
    mlpBias: false,
    qkNorm: false,
    slidingWindows: Array.from({ length: init.numHiddenLayers }, () => null),
    dtype: recipe.saveDtype === 'source' ? 'float32' : recipe.saveDtype,
    bosTokenId,
    eosTokenIds: eosTokenId === null ? [] : [eosTokenId],
    raw: {},
  }
}
