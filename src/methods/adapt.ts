import { Model, type ParameterSource } from '../model/model.js'
import type { Adapter } from '../model/weights.js'

/**
 * A base with an adapter: the base's own variables and new ones. Takes the base over: dispose of the result only.
 * @param source first values of the adapter's parameters
 */
export function adaptModel(base: Model, adapter: Adapter, source: ParameterSource): Model {
  return new Model(base.config, base.engine, source, { model: base, adapter })
}
