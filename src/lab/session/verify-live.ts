import { readProvenance } from '../../expansion/provenance.js'
import { type IdentityReport, verifyIdentity } from '../../expansion/verify-identity.js'
import { openBase } from '../../lessons/base.js'
import { scalar } from '../../tensor/leaf.js'
import { randomRows } from '../verify-models.js'
import type { LiveModel } from './live-model.js'

/** The live model compared with its base, loaded again from disk and held as the live model is; the fields are those of the comparison as it stands. */
export interface SessionProof extends IdentityReport {
  /** The same with the gates of all new blocks at 0; null where the base has new blocks of its own. */
  readonly gatesClosed: IdentityReport | null
  readonly newLayers: readonly number[]
}

/** @param prompt compared beside rows of random tokens */
export async function proveIdentity(
  live: LiveModel,
  prompt: string | undefined,
  signal: AbortSignal | undefined,
): Promise<SessionProof> {
  const base = await openBase({ model: live.model, base: live.base, ...(signal ? { signal } : {}) })
  try {
    const { config } = live.model
    const own = prompt === undefined ? [] : [live.tokenizer.encode(prompt, { addSpecialTokens: true })]
    const rows = [...own.map(row => row.slice(0, config.maxPositionEmbeddings)), ...randomRows(config)]
    const report = await verifyIdentity(base, live.model, rows, { gates: live.gateTensors(), signal })
    const closed = new Map(live.newLayers().map(layer => [layer, scalar(0)]))
    const isComparable = readProvenance(base.config) === null
    const gatesClosed = isComparable ? await verifyIdentity(base, live.model, rows, { gates: closed, signal }) : null
    return { ...report, gatesClosed, newLayers: live.newLayers() }
  } finally {
    base.dispose()
  }
}

/** The proof as plain text. */
export function proofText({ gatesClosed, newLayers, ...report }: SessionProof): string {
  const lines = [`live model against its base: ${verdict(report)}`]
  if (gatesClosed && newLayers.length > 0)
    lines.push(`gates of blocks ${newLayers.join(', ')} at 0: ${verdict(gatesClosed)}`)
  return lines.join('\n')
}

function verdict({ identical, maxAbsDiff, positions, nonFinite }: IdentityReport): string {
  if (identical) return `identical, bit for bit, over ${positions} positions`
  const found = nonFinite > 0 ? `${nonFinite} positions with a logit that is not finite, ` : ''
  if (maxAbsDiff === null) return `${found}nothing to compare`
  return `${found}logits differ by up to ${maxAbsDiff.toPrecision(3)} over ${positions} positions`
}
