import { type ColumnTable, from } from 'arquero'
import type { LayerMap } from '../expansion/layer-map.js'
import type { MetricRecord, ProbeRecord } from '../train/metrics.js'
import type { TrainColumns } from './train-columns.js'

/** The records of one run under the name by which it is told from others. */
export interface RunRecords {
  name: string
  records: MetricRecord[]
  /** The `train` records by column, where somebody already holds them so; `records` then has none. */
  train?: TrainColumns
  /** The blocks of its model, of run.json. */
  layers?: LayerMap | null
}

/** The records of one kind, in the order of the run. */
export function ofKind<K extends MetricRecord['kind']>(
  records: readonly MetricRecord[],
  kind: K,
): Extract<MetricRecord, { kind: K }>[] {
  return records.filter((record): record is Extract<MetricRecord, { kind: K }> => record.kind === kind)
}

/** A table with these columns even when there are no rows. */
function tableOf(rows: Record<string, unknown>[], columns: string[]): ColumnTable {
  return from(rows, columns)
}

const head = ['seq', 'step', 'tokens', 'seconds']

/** One row per optimizer step; the mix is spread over columns `mix:SOURCE` (null where a source had not been served yet). */
export function trainTable(records: readonly MetricRecord[]): ColumnTable {
  const rows = ofKind(records, 'train')
  const sources = [...new Set(rows.flatMap(row => Object.keys(row.mix)))]
  const flat = rows.map(({ kind: _, mix, ...rest }) => ({
    ...rest,
    ...Object.fromEntries(sources.map(source => [`mix:${source}`, mix[source] ?? null])),
  }))
  const own = ['lossNats', 'lr', 'gradNorm', 'tokensPerSec', 'rssBytes']
  return tableOf(flat, [...head, ...own, ...sources.map(source => `mix:${source}`)])
}

/** One row per evaluation of a probe, with every field of the record. */
export function probeTable(records: readonly MetricRecord[]): ColumnTable {
  const losses = ['lossNats', 'bitsPerByte', 'deltaNats', 'deltaLow', 'deltaHigh', 'klToBaseNats']
  const counts = ['unshifted', 'marginal', 'shifted', 'tokensScored', 'bytesScored']
  return tableOf(
    ofKind(records, 'probe').map(({ kind: _, ...row }) => row),
    [...head, 'probe', ...losses, ...counts],
  )
}

/** One row per added block, probe and evaluation. */
export function contributionTable(records: readonly MetricRecord[]): ColumnTable {
  return tableOf(
    ofKind(records, 'contribution').map(({ kind: _, ...row }) => row),
    [...head, 'probe', 'layer', 'ratio'],
  )
}

/** One row per event; `detail` as JSON text. */
export function eventTable(records: readonly MetricRecord[]): ColumnTable {
  return tableOf(
    ofKind(records, 'event').map(({ kind: _, detail, ...row }) => ({ ...row, detail: JSON.stringify(detail) })),
    [...head, 'name', 'detail'],
  )
}

/** What a change of the loss in nats/token is in bits/byte: tokens / (bytes ln 2). */
export function bitsPerByteFactor({ tokensScored, bytesScored }: ProbeRecord): number {
  return tokensScored / (bytesScored * Math.LN2)
}

/** The change since step 0 of every probe at every evaluation, in nats/token and bits/byte, with its confidence band. */
export function forgettingTable(records: readonly MetricRecord[]): ColumnTable {
  const rows = ofKind(records, 'probe').map(record => ({
    probe: record.probe,
    step: record.step,
    tokens: record.tokens,
    deltaNats: record.deltaNats,
    deltaLow: record.deltaLow,
    deltaHigh: record.deltaHigh,
    deltaBitsPerByte: record.deltaNats * bitsPerByteFactor(record),
  }))
  return tableOf(rows, ['probe', 'step', 'tokens', 'deltaNats', 'deltaLow', 'deltaHigh', 'deltaBitsPerByte'])
}

/** First and last evaluation of a probe in a run, and the change since step 0 with its band. */
interface SummaryRow {
  run: string
  probe: string
  firstStep: number
  lastStep: number
  firstNats: number
  lastNats: number
  firstBitsPerByte: number
  lastBitsPerByte: number
  deltaNats: number
  deltaLow: number | null
  deltaHigh: number | null
}

function summaryRow(run: string, evaluations: ProbeRecord[]): SummaryRow {
  const first = evaluations[0]!
  const last = evaluations.at(-1)!
  return {
    run,
    probe: first.probe,
    firstStep: first.step,
    lastStep: last.step,
    firstNats: first.lossNats,
    lastNats: last.lossNats,
    firstBitsPerByte: first.bitsPerByte,
    lastBitsPerByte: last.bitsPerByte,
    deltaNats: last.deltaNats,
    deltaLow: last.deltaLow,
    deltaHigh: last.deltaHigh,
  }
}

function summaryRows(runs: readonly RunRecords[]): SummaryRow[] {
  return runs.flatMap(({ name, records }) => {
    const byProbe = new Map<string, ProbeRecord[]>()
    for (const record of ofKind(records, 'probe'))
      byProbe.set(record.probe, [...(byProbe.get(record.probe) ?? []), record])
    return [...byProbe.values()].map(evaluations => summaryRow(name, evaluations))
  })
}

/** One row per run and probe: its first and last evaluation and the change between them (the table of a report). */
export function summaryTable(runs: readonly RunRecords[]): ColumnTable {
  const losses = ['firstNats', 'lastNats', 'firstBitsPerByte', 'lastBitsPerByte', 'deltaNats', 'deltaLow', 'deltaHigh']
  const rows = summaryRows(runs).map(row => ({ ...row }))
  return tableOf(rows, ['run', 'probe', 'firstStep', 'lastStep', ...losses])
}

/** The summary as text cells, for a terminal table or a page: bits/byte before and after, and the change in nats/token with its band. */
export function summaryCells(runs: readonly RunRecords[]): { header: string[]; rows: string[][] } {
  const signed = (value: number | null) => (value === null ? '' : `${value < 0 ? '' : '+'}${value.toFixed(4)}`)
  const rows = summaryRows(runs).map(row => [
    row.run,
    row.probe,
    String(row.lastStep),
    row.firstBitsPerByte.toFixed(4),
    row.lastBitsPerByte.toFixed(4),
    ...[row.deltaNats, row.deltaLow, row.deltaHigh].map(signed),
  ])
  const header = ['run', 'probe', 'step', 'bits/byte first', 'bits/byte last', 'change (nats/token)', 'low', 'high']
  return { header, rows }
}
