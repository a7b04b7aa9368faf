import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'
import type { MetricRecord } from './metric-record.js'

type FieldType = 'string' | 'number' | 'number?' | 'number|null' | 'numbers' | 'object'

const head = { seq: 'number', step: 'number', tokens: 'number', seconds: 'number' } as const

/** The fields of each kind of record; a line must have all but those with "?", and may have more (a newer version wrote it). */
const fields: Record<MetricRecord['kind'], Record<string, FieldType>> = {
  train: {
    ...head,
    lossNats: 'number',
    lr: 'number',
    gradNorm: 'number',
    tokensPerSec: 'number',
    rssBytes: 'number',
    mix: 'numbers',
    lossScale: 'number?',
  },
  probe: {
    ...head,
    probe: 'string',
    lossNats: 'number',
    bitsPerByte: 'number',
    deltaNats: 'number',
    deltaLow: 'number|null',
    deltaHigh: 'number|null',
    klToBaseNats: 'number|null',
    unshifted: 'number|null',
    marginal: 'number|null',
    shifted: 'number|null',
    tokensScored: 'number',
    bytesScored: 'number',
  },
  contribution: { ...head, probe: 'string', layer: 'number', ratio: 'number' },
  gradient: { ...head, norms: 'numbers' },
  event: { ...head, name: 'string', detail: 'object' },
}

/** JSON has no NaN and no infinities: they are written as these strings and read back where a number is expected. */
const nonFinite = new Map([
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
])

/** One record as one line of JSON without the newline. */
export function encodeRecord(record: MetricRecord): string {
  return JSON.stringify(record, (_key, value: unknown) =>
    typeof value === 'number' && !Number.isFinite(value) ? String(value) : value,
  )
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function reviveNumber(value: unknown): unknown {
  return typeof value === 'string' && nonFinite.has(value) ? nonFinite.get(value) : value
}

/** The value in the type its field asks for, or undefined when it is of another type. */
function readField(value: unknown, type: FieldType): unknown {
  if (type === 'string') return typeof value === 'string' ? value : undefined
  if (type === 'object') return isPlainObject(value) ? value : undefined
  if (type === 'number|null' && value === null) return null
  if (type === 'numbers') {
    if (!isPlainObject(value)) return undefined
    const entries = Object.entries(value).map(([key, inner]) => [key, reviveNumber(inner)] as const)
    return entries.every(([, inner]) => typeof inner === 'number') ? Object.fromEntries(entries) : undefined
  }
  const number = reviveNumber(value)
  return typeof number === 'number' ? number : undefined
}

/**
 * Reads one line. `where` (file and line) opens the message of every error.
 * @throws LabError METRICS_LINE when the line is not JSON, its kind is unknown, or a field is missing or of another type.
 */
export function decodeRecord(text: string, where: string): MetricRecord {
  const fail = (problem: string) => new LabError('METRICS_LINE', `${where}: ${problem}`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new LabError(
      'METRICS_LINE',
      `${where}: expected one JSON object, found ${JSON.stringify(text.slice(0, 60))}`,
      {
        cause,
      },
    )
  }
  if (!isPlainObject(value)) throw fail(`expected a JSON object, found ${text.slice(0, 60)}`)
  const kind = String(value['kind'])
  const kinds = Object.keys(fields)
  if (!kinds.includes(kind))
    throw fail(`expected kind ${kinds.join(', ')}, found ${JSON.stringify(kind)}.${didYouMean(kind, kinds)}`)
  for (const [name, type] of Object.entries(fields[kind as MetricRecord['kind']])) {
    if (type === 'number?' && value[name] === undefined) continue
    const read = readField(value[name], type)
    if (read === undefined)
      throw fail(`${kind} record: expected ${name} of type ${type}, found ${JSON.stringify(value[name]) ?? 'nothing'}`)
    value[name] = read
  }
  return value as unknown as MetricRecord
}
