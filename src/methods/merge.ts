import type { Model } from '../model/model.js'
import { parameterShapes } from '../model/parameters.js'
import type { FileRange } from '../tensor/engine.js'
import { cast } from '../tensor/ops/elementwise.js'
import { realize } from '../tensor/program.js'
import { Variable } from '../tensor/variable.js'

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
 * changes (W + (alpha / r) B A for LoRA), on the device and in f32; all others are as they are. W is the weight of the
 * file where there is one, whatever it was rounded to for training. The model stays as it is.
 */
export function plainParameters(model: Model): PlainParameter[] {
  const { config, parameters, weights } = model
  return [...parameterShapes(config)].map(([name, shape]) => {
    const variable = parameters.get(name)!
    if (weights.adapter?.merged(name, weights)) return { name, shape, origin: null, read: () => folded(model, name) }
    return { name, shape, origin: variable.origin, read: () => inFloat32(variable) }
  })
}

async function inFloat32(variable: Variable): Promise<Float32Array> {
  const { dtype, value, engine } = variable
  return (
    dtype === 'f32' ? await variable.read() : (await realize([cast(value, 'f32')], { engine }))[0]
  ) as Float32Array
}

/** A matrix with the adapter in it. The original elements are on the device for as long as this takes. */
async function folded({ engine, parameters, weights }: Model, name: string): Promise<Float32Array> {
  const { shape, origin } = parameters.get(name)!
  const original = origin && new Variable(shape, 'f32', { kind: 'file', ...origin }, { engine, name })
  const exact = (path: string) => (path === name && original ? original.value : weights(path))
  try {
    return (await realize([weights.adapter!.merged(name, exact)!], { engine }))[0] as Float32Array
  } finally {
    original?.dispose()
  }
}
