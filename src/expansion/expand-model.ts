import { Model } from '../model/model.js'
import { cast } from '../tensor/ops/elementwise.js'
import { compile } from '../tensor/program.js'
import { internal } from '../util/errors.js'
import { expandConfig } from './expand-config.js'
import { expandParameters } from './expand-parameters.js'
import type { ExpansionPlan } from './plan.js'
import type { ProvenanceOptions } from './provenance.js'

/**
 * The expanded model in memory: every planned block a copy of its source, `o_proj` and `down_proj` (and their biases) of
 * new blocks zero, provenance in its config (LLaMA Pro, arXiv 2401.02415, section 3.2). Weights are copied on the device;
 * the base stays as it is and stays the caller's. Parameters are f32, but for those whose source is bf16 and which `keepsBf16` names.
 */
export async function expandModel(
  base: Model,
  plan: ExpansionPlan,
  { keepsBf16 = () => false, ...options }: ProvenanceOptions & { keepsBf16?: (path: string) => boolean } = {},
): Promise<Model> {
  const sources = expandParameters(base.parameters.keys(), plan)
  const config = expandConfig(base.config, plan, options)
  const dtypeOf = (path: string) =>
    keepsBf16(path) && base.parameter(sources.get(path)!.from).dtype === 'bf16' ? 'bf16' : 'f32'
  const expanded = new Model(config, base.engine, path => ({ dtype: dtypeOf(path), init: { kind: 'zeros' } }))
  const copies = [...expanded.parameters].flatMap(([path, variable]) => {
    const source = sources.get(path)
    if (!source) throw internal(`the plan names no source for ${path}`)
    return source.zero ? [] : [[variable, cast(base.parameter(source.from).value, variable.dtype)] as const]
  })
  await compile({ outputs: {}, updates: copies, engine: base.engine }).run()
  return expanded
}
