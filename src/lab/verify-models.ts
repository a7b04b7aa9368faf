import { type Checkpoint, openCheckpoint } from '../checkpoint/checkpoint.js'
import { loadModel } from '../checkpoint/load-model.js'
import { newLayers, readProvenance } from '../expansion/provenance.js'
import { type IdentityReport, verifyIdentity } from '../expansion/verify-identity.js'
import type { ModelConfig } from '../model/config.js'
import type { Model } from '../model/model.js'
import { openTokenizer } from '../tokenizer/tokenizer.js'
import { keyOf, Prng } from '../util/prng.js'
import { createEngine, type EngineOptions } from './engines.js'
import { resolveModelDir } from './resolve-model.js'

export interface VerifyOptions extends EngineOptions {
  base: string
  expanded: string
  device?: string
  /** Compared beside rows of random tokens; need a tokenizer. */
  prompts?: readonly string[]
  signal?: AbortSignal
}

export interface VerifyResult extends IdentityReport {
  /** Indices of the new blocks of the expanded model, by provenance. */
  readonly newLayers: number[]
  /** Why the models are not identical; empty when they are. */
  readonly reasons: string[]
}

/** Random tokens reach all of the vocabulary; fixed, so that two runs compare the same. */
const RANDOM_ROWS = 4
const RANDOM_LENGTH = 64

/** Compares two model directories on the same engine: shapes first, then logits bit for bit. */
export async function verifyModels({
  base,
  expanded,
  device,
  prompts = [],
  signal,
  ...engineOptions
}: VerifyOptions): Promise<VerifyResult> {
  const [first, second] = await Promise.all(
    [base, expanded].map(async where => openCheckpoint(await resolveModelDir(where, signal ? { signal } : {}))),
  )
  const added = [...newLayers(readProvenance(second!.config))]
  const reasons = mismatches(first!, second!)
  if (reasons.length > 0)
    return {
      identical: false,
      maxAbsDiff: null,
      positions: 0,
      nonFinite: 0,
      newLayers: added,
      reasons,
    }
  const engine = createEngine(device, engineOptions)
  try {
    const models: Model[] = [await loadModel(first!, engine), await loadModel(second!, engine)]
    const rows = [...(await promptRows(first!, prompts)), ...randomRows(first!.config)]
    const report = await verifyIdentity(models[0]!, models[1]!, rows, { signal })
    return { ...report, newLayers: added, reasons: reasonsOf(report) }
  } finally {
    await engine.dispose()
  }
}

function mismatches({ config: a }: Checkpoint, { config: b }: Checkpoint): string[] {
  const keys = [
    'modelType',
    'hiddenSize',
    'vocabSize',
    'numAttentionHeads',
    'numKeyValueHeads',
    'headDim',
    'intermediateSize',
  ] as const
  return keys
    .filter(key => a[key] !== b[key])
    .map(key => `${key} is ${a[key]} in the base and ${b[key]} in the expanded model`)
}

function reasonsOf({ maxAbsDiff, nonFinite, positions }: IdentityReport): string[] {
  const reasons: string[] = []
  if (maxAbsDiff !== null && maxAbsDiff > 0)
    reasons.push(`logits differ by up to ${maxAbsDiff.toPrecision(3)} over ${positions} positions`)
  if (nonFinite > 0) reasons.push(`${nonFinite} of ${positions} positions have a logit that is not finite`)
  return reasons
}

async function promptRows({ dir, config }: Checkpoint, prompts: readonly string[]): Promise<Int32Array[]> {
  if (prompts.length === 0) return []
  const tokenizer = await openTokenizer(dir)
  const rows = prompts.map(prompt =>
    tokenizer.encode(prompt, { addSpecialTokens: true }).slice(0, config.maxPositionEmbeddings),
  )
  return rows.filter(row => row.length > 0)
}

/** Rows of random tokens, the same every time. */
export function randomRows(config: ModelConfig): Int32Array[] {
  const random = new Prng(keyOf('verify'))
  const length = Math.min(RANDOM_LENGTH, config.maxPositionEmbeddings)
  return Array.from({ length: RANDOM_ROWS }, () => Int32Array.from({ length }, () => random.below(config.vocabSize)))
}
