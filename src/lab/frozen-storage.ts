/** How a run holds what it does not train. */
import type { Checkpoint } from '../checkpoint/checkpoint.js'
import type { QuantizedWeight, WeightStorage } from '../checkpoint/load-model.js'
import { trainedOfBase } from '../methods/trained-of-base.js'
import { parameterCount } from '../model/parameters.js'
import type { Engine } from '../tensor/engine.js'
import type { Recipe } from '../train/recipe.js'
import { formatTable } from '../util/format.js'

/**
 * With `frozenWeights: auto`, models whose f32 weights take more than this keep 16-bit ones as stored. A constant and not
 * the memory of the machine, so that a run can be continued on another.
 */
const LARGE_MODEL_BYTES = 2e9

/**
 * How each matrix of a base is held under a recipe: what is trained in f32, the rest by `frozenWeights`. With bf16 arithmetic
 * `auto` keeps what is stored in 16 bits as it is: f32 copies would be rounded again at every use.
 */
export function frozenStorage(
  recipe: Recipe,
  checkpoint: Checkpoint,
  { precision }: Pick<Engine, 'precision'>,
): (path: string) => WeightStorage {
  const kind = recipe.frozenWeights === 'auto' ? automatic(checkpoint, precision === 'bf16') : recipe.frozenWeights
  const trained = trainedOfBase(recipe, checkpoint.config)
  return path => (trained.has(path) ? 'f32' : kind)
}

/** Storage of a base that is only compared with: as the model's, but exact and in few bytes where the model is trained. */
export function referenceStorage(storage: (path: string) => WeightStorage): (path: string) => WeightStorage {
  return path => (storage(path) === 'f32' ? 'source' : storage(path))
}

function automatic({ config, tensors }: Checkpoint, alwaysHalf: boolean): WeightStorage {
  const isHalf = [...tensors.values()].some(({ dtype }) => dtype === 'BF16' || dtype === 'F16')
  return isHalf && (alwaysHalf || 4 * parameterCount(config) > LARGE_MODEL_BYTES) ? 'source' : 'f32'
}

/** The errors of rounding as a table: for each name of a weight, the worst over all blocks. */
export function quantizedText(weights: readonly QuantizedWeight[]): string {
  const groups = new Map<string, QuantizedWeight[]>()
  for (const weight of weights) {
    const name = weight.path.replace(/^model\.layers\.\d+\./, '')
    groups.set(name, [...(groups.get(name) ?? []), weight])
  }
  const rows = [...groups].map(([name, group]) => [
    name,
    String(group.length),
    `${(100 * Math.max(...group.map(({ relativeL2 }) => relativeL2))).toFixed(2)} %`,
    Math.max(...group.map(({ maxAbs }) => maxAbs)).toPrecision(3),
  ])
  return formatTable([`rounded to ${weights[0]?.bits ?? 0} bits`, 'tensors', 'relative L2 error', 'largest'], rows)
}
