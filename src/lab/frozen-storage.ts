/** How a run holds what it does not train. */
import type { Checkpoint } from '../checkpoint/checkpoint.js'
import type { QuantizedWeight, WeightStorage } from '../checkpoint/load-model.js'
import type { TensorSource } from '../checkpoint/tensor-source.js'
import { parameterCount } from '../model/parameters.js'
import type { Engine } from '../tensor/engine.js'
import type { Recipe } from '../train/recipe.js'
import { LabError } from '../util/errors.js'
import { formatBytes, formatTable } from '../util/format.js'
import type { HeldWeights } from './held-weights.js'

/**
 * With `frozenWeights: auto`, models whose f32 weights take more than this keep 16-bit ones as stored. A constant and not
 * the memory of the machine, so that a run can be continued on another.
 */
const LARGE_MODEL_BYTES = 2e9

const EMBEDDING = 'model.embed_tokens.weight'

/**
 * How each matrix of a base is held under a recipe: what is trained in f32, the rest by `frozenWeights`. An engine that
 * computes in bf16 rounds operands of products anyway, so `auto` then holds them in bf16 whatever the file has; not the
 * embedding, whose rows are no operands: rounded, they would change the residual stream. A run that goes on keeps what
 * `auto` came to when it began.
 * @param options `held`: of the run that goes on, `older` for one that did not note it; null for a new run
 * @throws LabError FROZEN_WEIGHTS for fewer bits than f32 on an engine that would make f32 of them all at once
 */
export function frozenStorage(
  { frozenWeights }: Recipe,
  { config, tensors }: Checkpoint,
  { engine, trained, held }: { engine: Engine; trained: ReadonlySet<string>; held: HeldWeights | 'older' | null },
): (path: string) => WeightStorage {
  const isQuantized = frozenWeights === 'int8' || frozenWeights === 'int4'
  const takesRoom = isQuantized
    ? engine.name !== 'reference' && !engine.nativeOps.has('dequantize')
    : frozenWeights === 'source' && engine.widensHalf === true && halfBytes(tensors, trained) > 0
  if (takesRoom)
    throw new LabError(
      'FROZEN_WEIGHTS',
      `the ${engine.name} engine on ${engine.device} has no kernel for weights in ${isQuantized ? frozenWeights : '16 bits'} and would hold them in f32; set frozenWeights: ${engine.widensHalf ? 'f32' : 'source'}, or run on the device cpu`,
    )
  const isLarge = 4 * parameterCount(config) > LARGE_MODEL_BYTES
  const automatic = (path: string): WeightStorage => {
    if (held !== null && held !== 'older') return held[path] ?? 'f32'
    const stored = tensors.get(path)?.dtype
    if (engine.precision === 'bf16' && (stored === 'BF16' || (held === null && path !== EMBEDDING))) return 'bf16'
    if (engine.widensHalf && held === null) return 'f32'
    return isLarge && (stored === 'BF16' || stored === 'F16') ? 'source' : 'f32'
  }
  return path => (trained.has(path) ? 'f32' : frozenWeights === 'auto' ? automatic(path) : frozenWeights)
}

/** Bytes in 16 bits of the matrices that are not trained and stored so. */
function halfBytes(tensors: Checkpoint['tensors'], trained: ReadonlySet<string>): number {
  const isHalf = ({ shape, dtype }: TensorSource) => shape.length === 2 && (dtype === 'BF16' || dtype === 'F16')
  const half = [...tensors].filter(([path, source]) => !trained.has(path) && isHalf(source))
  return half.reduce((sum, [, { byteLength }]) => sum + byteLength, 0)
}

/** What a reader should know of many frozen weights that `auto` would hold in 16 bits, on an engine that cannot. */
export function widenedWarning(
  { frozenWeights }: Recipe,
  { tensors }: Checkpoint,
  { engine: { widensHalf, name, device }, trained }: { engine: Engine; trained: ReadonlySet<string> },
): string[] {
  const bytes = 2 * halfBytes(tensors, trained)
  if (frozenWeights !== 'auto' || !widensHalf || bytes <= LARGE_MODEL_BYTES) return []
  return [
    `frozen weights stored in 16 bits take twice their size: the ${name} engine on ${device} holds them in f32 (${formatBytes(bytes)} in all); the devices cpu and torch:* keep them as they are`,
  ]
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
