import type { Model } from '../model/model.js'
import { parameterShapes } from '../model/parameters.js'
import type { HostArray } from '../tensor/dtype.js'
import type { FileRange } from '../tensor/engine.js'
import { cast } from '../tensor/ops/elementwise.js'
import { realize } from '../tensor/program.js'

/** A parameter of a plain model, read when its turn comes. */
export interface PlainParameter {
  readonly name: string
  readonly shape: readonly number[]
  /** Where a file holds it exactly, for a frozen one that is held in fewer bits or lies in the file; else null. */
  readonly origin: FileRange | null
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
    const variable = parameters.get(name)!
    const value = merged ?? (variable.dtype === 'f32' ? null : cast(variable.value, 'f32'))
    const read = async () => (value ? (await realize([value], { engine }))[0]! : variable.read())
    return { name, shape, origin: merged ? null : variable.origin, read }
  })
}
