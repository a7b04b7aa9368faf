/** What a comparison of methods has found, as one table: a row for each method. */
import { bitsPerByteFactor, ofKind } from '../forgetting/tables.js'
import type { MetricRecord, ProbeRecord } from '../train/metrics.js'
import { formatCount, formatTable } from '../util/format.js'

/** The end of a run, before it is compared. */
export interface ComparedRecords {
  method: string
  records: readonly MetricRecord[]
  /** Numbers in all parameters, and in the trained ones. */
  parameters: { total: number; trainable: number }
  /** Peak learning rate. */
  lr: number
}

/** A probe after a run, against the base. */
export interface ProbeOutcome {
  probe: string
  bitsPerByteBase: number
  bitsPerByte: number
  /** Change of the loss against the base in nats per token, with its 95 % band; null for a probe of one document. */
  deltaNats: number
  deltaLow: number | null
  deltaHigh: number | null
  klToBaseNats: number | null
}

export interface ComparisonRow {
  method: string
  trainableParameters: number
  totalParameters: number
  lr: number
  steps: number
  /** Tokens trained on. */
  tokens: number
  /** Of the run: steps and probes, without loading and saving. */
  seconds: number
  /** Median over the steps. */
  tokensPerSec: number
  /** Training loss, mean over the last tenth of the steps. */
  trainLossNats: number
  probes: ProbeOutcome[]
}

export function comparisonRow({ method, records, parameters, lr }: ComparedRecords): ComparisonRow {
  const steps = ofKind(records, 'train')
  const last = steps.slice(-Math.ceil(steps.length / 10))
  const speeds = steps.map(record => record.tokensPerSec).sort((a, b) => a - b)
  const latest = new Map(ofKind(records, 'probe').map(record => [record.probe, record]))
  return {
    method,
    trainableParameters: parameters.trainable,
    totalParameters: parameters.total,
    lr,
    steps: steps.at(-1)?.step ?? 0,
    tokens: steps.at(-1)?.tokens ?? 0,
    seconds: records.at(-1)?.seconds ?? 0,
    tokensPerSec: speeds[Math.floor(speeds.length / 2)] ?? 0,
    trainLossNats: last.reduce((sum, record) => sum + record.lossNats, 0) / last.length,
    probes: [...latest.values()].map(outcomeOf),
  }
}

function outcomeOf(record: ProbeRecord): ProbeOutcome {
  const { probe, bitsPerByte, deltaNats, deltaLow, deltaHigh, klToBaseNats } = record
  const bitsPerByteBase = bitsPerByte - deltaNats * bitsPerByteFactor(record)
  return { probe, bitsPerByteBase, bitsPerByte, deltaNats, deltaLow, deltaHigh, klToBaseNats }
}

/** The table for people: the base in the first line, then each method with the bits/byte of its probes and their change in nats/token. */
export function comparisonCells(rows: readonly ComparisonRow[]): { header: string[]; rows: string[][] } {
  const probes = rows[0]?.probes ?? []
  const header = ['method', 'trained', 'share', 'train loss', 'tokens/s', ...probes.flatMap(p => [p.probe, 'change'])]
  const base = ['base', '', '', '', '', ...probes.flatMap(p => [p.bitsPerByteBase.toFixed(3), ''])]
  const lines = rows.map(row => [
    row.method,
    formatCount(row.trainableParameters),
    `${((100 * row.trainableParameters) / row.totalParameters).toFixed(1)} %`,
    row.trainLossNats.toFixed(3),
    formatCount(row.tokensPerSec),
    ...row.probes.flatMap(p => [p.bitsPerByte.toFixed(3), signed(p.deltaNats)]),
  ])
  return { header, rows: [base, ...lines] }
}

/** What the numbers of {@link comparisonCells} are. */
export function comparisonNote(rows: readonly ComparisonRow[]): string {
  const { steps = 0, tokens = 0 } = rows[0] ?? {}
  return `${formatCount(steps)} steps of the same ${formatCount(tokens)} tokens each. Train loss in nats/token, mean of the last tenth of the steps. Probes in bits/byte; change against the base in nats/token: above 0 is forgotten, below 0 is learned.`
}

/** The table as aligned plain text with its note. */
export function comparisonText(rows: readonly ComparisonRow[]): string {
  const { header, rows: cells } = comparisonCells(rows)
  return `${formatTable(header, cells)}\n\n${comparisonNote(rows)}\n`
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(3)}`
}

/** Comma-separated values (RFC 4180): a line for each method, the columns of each probe named `<probe>.<field>`. */
export function comparisonCsv(rows: readonly ComparisonRow[]): string {
  const flat = rows.map(({ probes, ...row }) => ({
    ...row,
    ...Object.fromEntries(
      probes.flatMap(({ probe, ...fields }) =>
        Object.entries(fields).map(([field, value]) => [`${probe}.${field}`, value]),
      ),
    ),
  }))
  const columns = [...new Set(flat.flatMap(row => Object.keys(row)))]
  const line = (cells: unknown[]) =>
    cells.map(cell => (cell === null || cell === undefined ? '' : String(cell))).join(',')
  return [columns, ...flat.map(row => columns.map(column => (row as Record<string, unknown>)[column]))]
    .map(cells => `${line(cells)}\r\n`)
    .join('')
}
