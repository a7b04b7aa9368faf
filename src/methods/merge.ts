import type { Model } from '../model/model.js'
import { parameterShapes } from '../model/parameters.js'
import type { FileRange } from '../tensor/engine.js'
import type { Tensor } from '../tensor/graph.js'
import { cast } from '../tensor/ops/elementwise.js'
import { realize } from '../tensor/program.js'

/** A parameter of a plain model, read when its turn comes. */
export interface PlainParameter {
  readonly name: string
  readonly shape: readonly number[]
  /** Where a file holds it exactly, for a frozen one that is read from there or held in fewer bits; else null. */
  readonly origin: FileRange | null
  /** The elements in host memory; those that are in 16 bits on the device as the same numbers in f32. */
  read(): Promise<Float32Array>
}

/**
 * The parameters of the plain model that computes what this one does: an adapter is folded into the matrices that it
 * changes (W + (alpha / r) B A for LoRA), on the device and in f32; all others are as they are. The model stays as it is.
 */
export function plainParameters({ config, engine, parameters, weights }: Model): PlainParameter[] {
  return [...parameterShapes(config)].map(([name, shape]) => {
    const merged = weights.adapter?.merged(name, weights)
    const fold = async (tensor: Tensor) => (await realize([tensor], { engine }))[0] as Float32Array
    const variable = parameters.get(name)!
    const stored = variable.dtype === 'f32' ? null : cast(variable.value, 'f32')
    const tensor = merged ?? stored
    const read = async () => (tensor ? fold(tensor) : ((await variable.read()) as Float32Array))
    return { name, shape, origin: merged ? null : variable.origin, read }
  })
}
