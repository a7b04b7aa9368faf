/** The model part of a run: load or create the base, and make it ready for training by the recipe's method. */
import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.js'
import { loadModel, type QuantizedWeight } from '../checkpoint/load-model.js'
import type { BaseReference } from '../forgetting/reference.js'
import { type MethodPlan, planMethod } from '../methods/plan-method.js'
import type { ModelConfig } from '../model/config.js'
import { Model, randomParameters } from '../model/model.js'
import type { Engine } from '../tensor/engine.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import type { Recipe } from '../train/recipe.js'
import { internal } from '../util/errors.js'
import { frozenStorage, widenedWarning } from './frozen-storage.js'
import { type HeldWeights, heldWeights, readHeldWeights } from './held-weights.js'

export interface RunModel {
  /** The model that is trained. */
  readonly model: Model
  /** The base as loaded, kept only where forgetting needs it as a model of its own; else null. */
  readonly base: Model | null
  /** The base as a setting of the model (without its new blocks, without its adapter); null where old weights are trained. */
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
  readonly held: HeldWeights
}

interface BuildOptions {
  tokenizer: Tokenizer
  signal?: AbortSignal | undefined
  /** Directory of the run that goes on; none for a new one. */
  resumed?: string | undefined
}

/**
 * Builds the model of a recipe on an engine.
 * @param dir directory of the base model; null for `init`
 * @param options `tokenizer` gives a new model its BOS and EOS ids; `signal` ends the loading; a `resumed` run keeps how its weights are held
 * @throws LabError of checkpoints, plans and freeze rules; FREEZE_DEAD for configurations that cannot learn
 */
export async function buildRunModel(
  recipe: Recipe,
  dir: string | null,
  engine: Engine,
  { tokenizer, signal, resumed }: BuildOptions,
): Promise<RunModel> {
  const source = dir === null ? null : await openCheckpoint(dir)
  const config = source ? source.config : initConfig(recipe, tokenizer)
  const method = planMethod(recipe, config)
  const { trainable, frozen, copiesBase, startsAsBase } = method
  const quantized: QuantizedWeight[] = []
  const base = source
    ? await loadModel(source, engine, {
        storage: frozenStorage(recipe, source, {
          engine,
          trained: method.trainedOfBase,
          held: readHeldWeights(resumed),
        }),
        onQuantized: weight => quantized.push(weight),
        ...(signal ? { signal } : {}),
      })
    : new Model(config, engine, randomParameters(config, recipe.seed))
  const held = heldWeights(base)
  const { model, warnings, reference } = await method.apply(base).catch((error: unknown) => {
    base.dispose()
    throw error
  })
  const kept = reference ? null : await baseBeside(base, method, source)
  if (reference && copiesBase) base.dispose()
  const told = [
    ...warnings,
    ...(source ? widenedWarning(recipe, source, { engine, trained: method.trainedOfBase }) : []),
  ]
  return { model, base: kept, reference, startsAsBase, source, trainable, frozen, warnings: told, quantized, held }
}

/** The base as a model of its own, where old weights are trained. From random weights there is nothing to forget. */
async function baseBeside(
  base: Model,
  { copiesBase, trainedOfBase }: MethodPlan,
  source: Checkpoint | null,
): Promise<Model | null> {
  if (copiesBase) return base
  // what is trained in the model is only compared with here: as it is stored is exact, and takes less
  const storage = (path: string) => (trainedOfBase.has(path) ? 'source' : 'f32')
  return source ? loadModel(source, base.engine, { storage, shared: base }) : null
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
    padTokenId: null,
    raw: {},
  }
}
