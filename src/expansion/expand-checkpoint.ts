import { openCheckpoint } from '../checkpoint/checkpoint.js'
import { type SaveProgress, saveModel } from '../checkpoint/save.js'
import type { ModelConfig } from '../model/config.js'
import { LabError } from '../util/errors.js'
import { pathsOverlap } from '../util/overlap.js'
import { expandConfig } from './expand-config.js'
import { expandParameters } from './expand-parameters.js'
import type { ExpansionPlan } from './plan.js'
import { type Provenance, type ProvenanceOptions, readProvenance } from './provenance.js'

export interface ExpandCheckpointOptions extends ProvenanceOptions {
  signal?: AbortSignal
  onProgress?: (progress: SaveProgress) => void
  /** Shard size limit of the output in bytes; default 5 GB. */
  maxShardBytes?: number
  /** Replace `outDir` when a model is there; default false. */
  overwrite?: boolean
}

export interface ExpandedCheckpoint {
  dir: string
  config: ModelConfig
  provenance: Provenance
  /** Names of the files in `dir`. */
  files: string[]
}

function checkDirectories(inDir: string, outDir: string): void {
  if (pathsOverlap(inDir, outDir))
    throw new LabError('EXPANSION', `the output directory ${outDir} must lie outside the input directory ${inDir}.`)
}

/**
 * Expands a model directory into a new, complete one: config.json with provenance, tokenizer files, generation config,
 * weights with their index. Tensors are streamed one after another in pieces, so memory does not grow with the model;
 * inherited and copied tensors keep their bytes and type, `o_proj` and `down_proj` of new blocks (and their biases) are
 * zeros. The output appears under its name only when it is complete.
 *
 * @param plan from {@link planExpansion} for this model's number of blocks, edited or not
 * @throws LabError EXPANSION_PLAN, EXPANSION, OUTPUT_EXISTS, those of {@link openCheckpoint}, or the reason of `signal`
 */
export async function expandCheckpoint(
  inDir: string,
  outDir: string,
  plan: ExpansionPlan,
  options: ExpandCheckpointOptions = {},
): Promise<ExpandedCheckpoint> {
  checkDirectories(inDir, outDir)
  const { keepEarlier = false, ...saving } = options
  const base = await openCheckpoint(inDir)
  const config = expandConfig(base.config, plan, { keepEarlier })
  const tensors = [...expandParameters(base.tensors.keys(), plan)].map(([name, { from, zero }]) => {
    const source = base.tensors.get(from)!
    return { name, dtype: source.dtype, shape: source.shape, data: zero ? ('zeros' as const) : source }
  })
  const files = await saveModel(outDir, { config, tensors, companionsFrom: inDir, ...saving })
  return { dir: outDir, config, provenance: readProvenance(config)!, files }
}
