import type { Model } from '../model/model.js'
import { parameterShapes } from '../model/parameters.js'
import type { Tensor } from '../tensor/graph.js'
import { bf16ToF32 } from '../tensor/half.js'
import { realize } from '../tensor/program.js'
import type { Variable } from '../tensor/variable.js'

/** A parameter of a plain model, read when its turn comes. */
export interface PlainParameter {
  readonly name: string
  readonly shape: readonly number[]
  /** The elements in host memory; those that are bf16 on the device as the same numbers in f32. */
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
    return { name, shape, read: () => (merged ? fold(merged) : floatsOf(parameters.get(name)!)) }
  })
}

async function floatsOf(variable: Variable): Promise<Float32Array> {
  const values = await variable.read()
  return variable.dtype === 'bf16' ? Float32Array.from(values, bf16ToF32) : (values as Float32Array)
}
