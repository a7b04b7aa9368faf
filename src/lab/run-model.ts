/** The model part of a run: load or create the base, and make it ready for training by the recipe's method. */
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.js'
import { loadModel, type QuantizedWeight, type WeightStorage } from '../checkpoint/load-model.js'
import type { BaseReference } from '../forgetting/reference.js'
import { type AppliedMethod, applyMethod } from '../methods/apply-method.js'
import type { ModelConfig } from '../model/config.js'
import { Model, randomParameters } from '../model/model.js'
import type { Engine } from '../tensor/engine.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import type { Recipe } from '../train/recipe.js'
import { internal } from '../util/errors.js'
import { frozenStorage, referenceStorage } from './frozen-storage.js'

export interface RunModel {
  /** The model that is trained. */
  readonly model: Model
  /** The base as loaded, kept only where forgetting needs it as a model of its own; else null. */
  readonly base: Model | null
  /** The base as a setting of the model (new blocks gated off, no adapter); null where old weights are trained. */
  readonly reference: BaseReference | null
  /** Whether the model computes what its base does before the first step. */
  readonly startsAsBase: boolean
  /** Where the base came from; null for a model that starts from random weights. */
  readonly source: Checkpoint | null
  readonly trainable: readonly string[]
  readonly frozen: readonly string[]
  /** What a reader should be told: halves of blocks that cannot learn, new blocks that are not trained. */
  readonly warnings: readonly string[]
  /** What rounding has cost each weight that is held in 8 or 4 bits. */
  readonly quantized: readonly QuantizedWeight[]
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
  const storage = source ? frozenStorage(recipe, source, engine) : () => 'f32' as const
  const quantized: QuantizedWeight[] = []
  const base = source
    ? await loadModel(source, engine, { storage, onQuantized: weight => quantized.push(weight) })
    : newModel(recipe, engine, tokenizer)
  const applied = await applyMethod(recipe, base)
  return { ...applied, base: await referenceBase(base, applied, source, storage), source, quantized }
}

/**
 * Where the base is within the model, a loaded one that was copied is freed. Otherwise old weights move, and the base is
 * needed beside them. From random weights there is nothing to forget.
 */
async function referenceBase(
  base: Model,
  { reference, sharesBase }: AppliedMethod,
  source: Checkpoint | null,
  storage: (path: string) => WeightStorage,
): Promise<Model | null> {
  if (reference) {
    if (!sharesBase) base.dispose()
    return null
  }
  if (!sharesBase) return base
  return source ? loadModel(source, base.engine, { storage: referenceStorage(storage), shared: base }) : null
}

function newModel(recipe: Recipe, engine: Engine, tokenizer: Tokenizer): Model {
  return new Model(initConfig(recipe, tokenizer), engine, randomParameters(initConfig(recipe, tokenizer), recipe.seed))
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
