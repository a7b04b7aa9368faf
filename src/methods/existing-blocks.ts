import { groupSizes } from '../expansion/plan.js'
import { LabError } from '../util/errors.js'

export interface ExistingOptions {
  /** k: blocks that are trained. */
  blocks: number
  /** `last`: the k at the top. `spread`: the top block of each of k groups, those of which expansion would make copies. */
  choose: 'last' | 'spread'
}

/**
 * The control of block expansion: k blocks that the base has already are trained, all others stay frozen. It tells what
 * the new blocks give beyond training few blocks.
 * @returns block indices, ascending
 * @throws LabError METHOD when the base has fewer than k blocks
 */
export function existingBlocks(numHiddenLayers: number, { blocks, choose }: ExistingOptions): number[] {
  if (blocks > numHiddenLayers)
    throw new LabError(
      'METHOD',
      `existing.blocks is ${blocks}, but the base has ${numHiddenLayers} blocks; give fewer.`,
    )
  if (choose === 'last') return Array.from({ length: blocks }, (_, i) => numHiddenLayers - blocks + i)
  let end = 0
  return groupSizes(numHiddenLayers, blocks).map(size => (end += size) - 1)
}
