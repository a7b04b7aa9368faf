/** How a run holds what it does not train. */
import type { Checkpoint } from '../checkpoint/checkpoint.js'
import type { QuantizedWeight, WeightStorage } from '../checkpoint/load-model.js'
import { parameterCount } from '../model/parameters.js'
import type { Engine } from '../tensor/engine.js'
import type { Recipe } from '../train/recipe.js'
import { LabError } from '../util/errors.js'
import { formatTable } from '../util/format.js'

/**
 * With `frozenWeights: auto`, models whose f32 weights take more than this keep 16-bit ones as stored. A constant and not
 * the memory of the machine, so that a run can be continued on another.
 */
const LARGE_MODEL_BYTES = 2e9

/**
 * How each matrix of a base is held under a recipe: what is trained in f32, the rest by `frozenWeights`. An engine that
 * computes in bf16 reads weights stored in bf16 as they are, so `auto` then leaves them so at any size.
 * @throws LabError FROZEN_WEIGHTS for 8 or 4 bits on an engine that would make f32 of them all at once
 */
export function frozenStorage(
  { frozenWeights }: Recipe,
  { config, tensors }: Checkpoint,
  { engine, trained }: { engine: Engine; trained: ReadonlySet<string> },
): (path: string) => WeightStorage {
  const isQuantized = frozenWeights === 'int8' || frozenWeights === 'int4'
  if (isQuantized && engine.name !== 'reference' && !engine.nativeOps.has('dequantize'))
    throw new LabError(
      'FROZEN_WEIGHTS',
      `the ${engine.name} engine has no kernel for weights in ${frozenWeights} and would hold them in f32; set frozenWeights: source, or run on the device cpu`,
    )
  const isLarge = 4 * parameterCount(config) > LARGE_MODEL_BYTES
  const automatic = (path: string): WeightStorage => {
    const stored = tensors.get(path)?.dtype
    if (stored === 'BF16' && engine.precision === 'bf16') return 'source'
    return isLarge && (stored === 'BF16' || stored === 'F16') ? 'source' : 'f32'
  }
  return path => (trained.has(path) ? 'f32' : frozenWeights === 'auto' ? automatic(path) : frozenWeights)
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
