import type { Model } from '../model/model.js'
import { parameterShapes } from '../model/parameters.js'
import type { HostArray } from '../tensor/dtype.js'
import { realize } from '../tensor/program.js'

/** A parameter of a plain model, read when its turn comes. */
export interface PlainParameter {
  readonly name: string
  readonly shape: readonly number[]
  /** The elements in host memory, f32. */
  read(): Promise<HostArray>
}

/**
 * The parameters of the plain model that computes what this one does: an adapter is folded into the matrices that it
 * changes (W + (alpha / r) B A for LoRA), on the device and in f32; all others are as they are. The model stays as it is.
 */
export function plainParameters({ config, engine, parameters, weights }: Model): PlainParameter[] {
  return [...parameterShapes(config)].map(([name, shape]) => {
    const merged = weights.adapter?.merged(name, weights)
    const read = async () => (merged ? (await realize([merged], { engine }))[0]! : parameters.get(name)!.read())
    return { name, shape, read }
  })
}
