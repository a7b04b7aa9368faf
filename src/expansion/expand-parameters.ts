import { layerPrefix, splitLayerPath } from '../model/parameters.js'
import { LabError } from '../util/errors.js'
import { checkPlan, type ExpansionPlan } from './plan.js'

/** What a tensor of the expanded model is: the bytes of `from` in the given model, or zeros of its shape. */
export interface ExpandedParameter {
  from: string
  zero: boolean
}

/**
 * Names within a block that are zeroed in a new one: the two projections that write to the residual stream (LLaMA Pro,
 * section 3.2), and their biases where the model has them.
 */
const zeroedNames = ['self_attn.o_proj.weight', 'self_attn.o_proj.bias', 'mlp.down_proj.weight', 'mlp.down_proj.bias']

/** Whether a parameter of a new block starts as zeros. `name` is the path within the block. */
export function isZeroedName(name: string): boolean {
  return zeroedNames.includes(name)
}

/** Sorts names into those before the blocks, those of each block, and those after, keeping their order. */
function byLayer(names: Iterable<string>, count: number) {
  const before: string[] = []
  const after: string[] = []
  const blocks = Array.from({ length: count }, (): string[] => [])
  for (const path of names) {
    const split = splitLayerPath(path)
    if (!split) (blocks.every(block => block.length === 0) ? before : after).push(path)
    else if (split.layer < count) blocks[split.layer]!.push(split.name)
    else
      throw new LabError(
        'EXPANSION',
        `"${path}" belongs to block ${split.layer}, but the configuration has blocks 0 to ${count - 1}; correct num_hidden_layers first.`,
      )
  }
  return { before, blocks, after }
}

/**
 * What every tensor of the expanded model is made of. Names outside the blocks stay; names of a block get the indices
 * that the plan gives it; in a new block `o_proj` and `down_proj` (and their biases) are zeros, so that its output is its
 * input: x + 0 + 0. Names are matched by their exact block number: block 4 is never taken for block 40.
 *
 * @param names every tensor name of the given model, parameters and others
 * @returns output name -> origin, blocks in ascending order
 * @throws LabError EXPANSION_PLAN, or EXPANSION when a name is beyond the blocks of the plan or a block that is copied
 * lacks one of the projections that must be zero
 */
export function expandParameters(names: Iterable<string>, plan: ExpansionPlan): Map<string, ExpandedParameter> {
  checkPlan(plan, plan.baseNumHiddenLayers)
  const { before, blocks, after } = byLayer(names, plan.baseNumHiddenLayers)
  const out = new Map<string, ExpandedParameter>(before.map(path => [path, { from: path, zero: false }]))
  for (const { layer, sourceLayer, isNew } of plan.layers) {
    const block = blocks[sourceLayer]!
    if (block.length === 0)
      throw new LabError(
        'EXPANSION',
        `the model has no tensor of block ${sourceLayer}, but the plan is for ${blocks.length} blocks.`,
      )
    const missing = ['self_attn.o_proj.weight', 'mlp.down_proj.weight'].find(name => isNew && !block.includes(name))
    if (missing)
      throw new LabError(
        'EXPANSION',
        `block ${sourceLayer} has no "${missing}", so a copy of it cannot be made an identity; only blocks with self_attn.o_proj and mlp.down_proj can be copied.`,
      )
    for (const name of block)
      out.set(layerPrefix(layer) + name, { from: layerPrefix(sourceLayer) + name, zero: isNew && isZeroedName(name) })
  }
  for (const path of after) out.set(path, { from: path, zero: false })
  return out
}
