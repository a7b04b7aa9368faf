import type { DType } from '../tensor/dtype.js'
import type { Engine, VariableInit } from '../tensor/engine.js'
import type { Tensor } from '../tensor/graph.js'
import { toHost } from '../tensor/leaf.js'
import { sizeOf } from '../tensor/shape.js'
import { Variable } from '../tensor/variable.js'
import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'
import { keyOf, Prng } from '../util/prng.js'
import type { ModelConfig } from './config.js'
import { parameterShapes } from './parameters.js'
import type { Adapter, Weights } from './weights.js'

/** Gives each parameter its dtype on the device and its first value. */
export type ParameterSource = (path: string, shape: readonly number[]) => { dtype: DType; init: VariableInit }

/** {@link ParameterSource}, or variables that are there already and that the model then owns. */
export type ParameterMaker = (path: string, shape: readonly number[]) => ReturnType<ParameterSource> | Variable

/** A model on an engine: its config and one variable a parameter, addressed by Hugging Face path. Owns its variables. */
export class Model {
  readonly parameters: ReadonlyMap<string, Variable>
  /** The value of a parameter in graphs, with the adapter if there is one. A property, so that it can be handed on. */
  readonly weights: Weights

  /** @param adapted a model whose variables this one takes over, and what is added to it; `source` then gives the added parameters only */
  constructor(
    readonly config: ModelConfig,
    readonly engine: Engine,
    source: ParameterMaker,
    adapted?: { readonly model: Model; readonly adapter: Adapter },
  ) {
    const parameters = new Map(adapted?.model.parameters)
    for (const [path, shape] of adapted?.adapter.shapes ?? parameterShapes(config)) {
      const given = source(path, shape)
      const options = { engine, name: path }
      parameters.set(path, given instanceof Variable ? given : new Variable(shape, given.dtype, given.init, options))
    }
    this.parameters = parameters
    const value = (path: string): Tensor => this.parameter(path).value
    this.weights = adapted ? Object.assign(value, { adapter: adapted.adapter }) : value
  }

  /** @throws LabError PARAMETER with the nearest path when there is none of that name */
  parameter(path: string): Variable {
    const variable = this.parameters.get(path)
    if (!variable) {
      throw new LabError(
        'PARAMETER',
        `the model has no parameter "${path}".${didYouMean(path, this.parameters.keys())}`,
      )
    }
    return variable
  }

  /** Frees the device memory of all parameters. */
  dispose(): void {
    for (const variable of this.parameters.values()) variable.dispose()
  }
}

/**
 * A source of fresh weights as transformers initialises the family: normal with standard deviation `initializer_range`
 * (0.02) for matrices, ones for norms, zeros for biases. A pure function of the seed.
 */
export function randomParameters(config: ModelConfig, seed: number): ParameterSource {
  const range = config.raw['initializer_range']
  const deviation = typeof range === 'number' ? range : 0.02
  return (path, shape) => {
    const random = new Prng(keyOf(seed, path))
    const length = sizeOf(shape)
    const values = new Float32Array(length)
    if (path.endsWith('norm.weight')) values.fill(1)
    else if (!path.endsWith('.bias')) for (let i = 0; i < length; i++) values[i] = deviation * random.normal()
    return { dtype: 'f32', init: { kind: 'host', data: toHost(values, 'f32'), transfer: true } }
  }
}
