/**
 * LoRA (Hu et al., arXiv 2106.09685): beside a frozen matrix W (out, in) two factors A (r, in) and B (out, r) are trained,
 * and the layer computes  x W^T + (alpha / r) (x A^T) B^T.  B starts as zeros, so the model starts as its base exactly.
 */

import { readProvenance } from '../expansion/provenance.js'
import { checkDead } from '../freeze/dead.js'
import { zeroProjections } from '../freeze/zero-tensors.js'
import type { ModelConfig } from '../model/config.js'
import type { Model, ParameterSource } from '../model/model.js'
import { type LinearName, parameterShapes } from '../model/parameters.js'
import type { Adapter } from '../model/weights.js'
import { toHost } from '../tensor/leaf.js'
import { add, cast, mul } from '../tensor/ops/elementwise.js'
import { matmul } from '../tensor/ops/matmul.js'
import { sizeOf } from '../tensor/shape.js'
import { LabError } from '../util/errors.js'
import { keyOf, Prng } from '../util/prng.js'
import { adaptModel } from './adapt.js'

export interface LoraOptions {
  /** r, inner width of the factors. */
  rank: number
  /** The product of the factors counts alpha / rank times. */
  alpha: number
  /** Linear layers that are adapted, in every block. */
  targets: readonly LinearName[]
}

/** The adapter over every target in the blocks of a model. Its parameters are `<layer>.lora_A.weight` and `<layer>.lora_B.weight`. */
export function loraAdapter(config: ModelConfig, { rank, alpha, targets }: LoraOptions): Adapter {
  const shapes = new Map<string, readonly number[]>()
  for (const [path, shape] of parameterShapes(config)) {
    if (!isTarget(path, targets)) continue
    const [out, width] = shape as [number, number]
    shapes.set(factor(layerOfWeight(path), 'A'), [rank, width])
    shapes.set(factor(layerOfWeight(path), 'B'), [out, rank])
  }
  const scale = alpha / rank
  return {
    shapes,
    project(layer, { x, plain, weights }) {
      if (!shapes.has(factor(layer, 'A'))) return plain
      // the scale goes on the narrow product: r numbers a token, not out
      const inner = mul(matmul(x, weights(factor(layer, 'A')), { transB: true }), scale)
      return add(plain, matmul(inner, weights(factor(layer, 'B')), { transB: true }))
    },
    merged(path, weights) {
      const layer = layerOfWeight(path)
      if (!path.endsWith('.weight') || !shapes.has(factor(layer, 'A'))) return null
      const product = matmul(weights(factor(layer, 'B')), weights(factor(layer, 'A')))
      return add(cast(weights(path), 'f32'), mul(product, scale))
    },
  }
}

/**
 * A base with LoRA in it. A is normal with deviation 1 / r (the paper says Gaussian; the deviation is that of PEFT's
 * `init_lora_weights="gaussian"`), a pure function of seed and path; B is zeros. Takes the base over.
 */
export function addLora(base: Model, options: LoraOptions, { seed }: { seed: number }): Model {
  return adaptModel(base, loraAdapter(base.config, options), factors(options.rank, seed))
}

function factors(rank: number, seed: number): ParameterSource {
  return (path, shape) => {
    if (path.endsWith('lora_B.weight')) return { dtype: 'f32', init: { kind: 'zeros' } }
    const random = new Prng(keyOf(seed, path))
    const values = Float32Array.from({ length: sizeOf(shape) }, () => random.normal() / rank)
    return { dtype: 'f32', init: { kind: 'host', data: toHost(values, 'f32'), transfer: true } }
  }
}

/**
 * What cannot learn. A new block whose `o_proj` and `down_proj` are still zeros learns only where an adapter changes one
 * of the two: everything else in it feeds a zero matrix.
 * @returns a warning for each half of such blocks that stays zero, and for ranks beyond a matrix
 * @throws LabError FREEZE_DEAD when a new block can never learn
 */
export async function checkLora(base: Model, { rank, targets }: LoraOptions): Promise<string[]> {
  const provenance = readProvenance(base.config)
  const zeros = await zeroProjections(base, provenance)
  const adapted = [...base.parameters.keys()].filter(path => isTarget(path, targets))
  const half = deadHalves(() => checkDead(adapted, provenance, zeros), targets)
  const narrow = targets.filter(name => rank > narrowest(base, name))
  const wasted =
    narrow.length === 0
      ? []
      : [
          `lora.rank ${rank} is more than the smaller side of ${narrow.join(', ')}: the rest of the rank adds nothing there.`,
        ]
  return [...half, ...wasted]
}

function deadHalves(check: () => ReturnType<typeof checkDead>, targets: readonly LinearName[]): string[] {
  try {
    return check().map(
      ({ layers, half }) =>
        `new block ${layers.join(', ')}: the projection of the ${half} half is zero and not among lora.targets, so that half stays zero; add ${half === 'attention' ? 'o_proj' : 'down_proj'}.`,
    )
  } catch (cause) {
    if (!(cause instanceof LabError) || cause.code !== 'FREEZE_DEAD') throw cause
    throw new LabError(
      'FREEZE_DEAD',
      `LoRA on ${targets.join(', ')} would leave new blocks of this model dead: their o_proj and down_proj are zeros, everything that is adapted feeds one of the two, and so its gradient is zero for ever. Add o_proj and down_proj to lora.targets.`,
      { cause },
    )
  }
}

function narrowest(model: Model, name: LinearName): number {
  const shapes = [...parameterShapes(model.config)].filter(([path]) => isTarget(path, [name]))
  return Math.min(...shapes.flatMap(([, shape]) => shape))
}

function isTarget(path: string, targets: readonly LinearName[]): boolean {
  return targets.some(name => path.endsWith(`.${name}.weight`))
}

function layerOfWeight(path: string): string {
  return path.replace(/\.weight$/, '')
}

function factor(layer: string, name: 'A' | 'B'): string {
  return `${layer}.lora_${name}.weight`
}
