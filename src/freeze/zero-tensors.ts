import type { Provenance } from '../expansion/provenance.js'
import type { Model } from '../model/model.js'
import type { DeadOptions } from './dead.js'

/**
 * Which projections of a model's new blocks are all zeros now, by their weights: a model that was expanded before may have been
 * trained since. Only those that `isAsked` names are read from the device (default all).
 */
export async function zeroProjections(
  model: Model,
  provenance: Provenance | null,
  isAsked: (path: string) => boolean = () => true,
): Promise<Required<DeadOptions>> {
  const zeros = new Set<string>()
  for (const path of (provenance?.layers ?? []).flatMap(block => block.zeroed).filter(isAsked))
    if ((await model.parameter(path).read()).every(value => value === 0)) zeros.add(path)
  return { isZero: path => zeros.has(path) }
}
