import { Model } from '../model/model.js'
import { layerOf } from '../model/parameters.js'
import { cast } from '../tensor/ops/elementwise.js'
import { runOnce } from '../tensor/program.js'
import type { Variable } from '../tensor/variable.js'
import { internal } from '../util/errors.js'
import { expandConfig } from './expand-config.js'
import { expandParameters } from './expand-parameters.js'
import type { ExpansionPlan } from './plan.js'
import { newLayers, type ProvenanceOptions, readProvenance } from './provenance.js'

/**
 * The expanded model in memory: every planned block a copy of its source, `o_proj` and `down_proj` (and their biases) of
 * new blocks zero, provenance in its config (LLaMA Pro, arXiv 2401.02415, section 3.2). Weights are copied on the device;
 * read-only ones of old blocks are shared with the base instead, and their copies in new blocks are f32, exact from the
 * file where they come from one. The base stays as it is and stays the caller's.
 */
export async function expandModel(base: Model, plan: ExpansionPlan, options: ProvenanceOptions = {}): Promise<Model> {
  const sources = expandParameters(base.parameters.keys(), plan)
  const config = expandConfig(base.config, plan, options)
  const added = newLayers(readProvenance(config))
  const copies: [path: string, from: Variable][] = []
  const expanded = new Model(config, base.engine, path => {
    const source = sources.get(path)
    if (!source) throw internal(`the plan names no source for ${path}`)
    const from = base.parameter(source.from)
    const isNew = added.has(layerOf(path) ?? -1)
    if (from.isReadOnly && !isNew) return from.share(path)
    if (from.origin && !source.zero) return { dtype: 'f32', init: { kind: 'file', ...from.origin } }
    if (!source.zero) copies.push([path, from])
    return { dtype: 'f32', init: { kind: 'zeros' } }
  })
  const updates = copies.map(([path, from]) => [expanded.parameter(path), cast(from.value, 'f32')] as const)
  await runOnce({ outputs: {}, updates, engine: base.engine })
  return expanded
}
