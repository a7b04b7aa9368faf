import { isUtf8 } from 'node:buffer'
import { setImmediate as breath } from 'node:timers/promises'
import type { ByteSource } from '../util/byte-source.js'
import { LabError, messageOf } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'
import { DocumentFault, ShardFault } from './fault.js'
import { fieldAt } from './filter.js'
import { chunksFrom, plainChunks, type RestartPoint } from './format/chunk.js'
import { gunzipChunks } from './format/gzip.js'
import { isBlank, type LinePosition, parseLine, splitLines } from './format/jsonl.js'
import { INVALID_UTF8, parquetRows } from './format/parquet.js'
import { zstdChunks } from './format/zstd.js'
import type { DataFormat } from './manifest.js'

/** Where a record begins: its line (from 0, blank lines counted) or row, and how to get there without reading all before it. */
export interface RecordPosition {
  record: number
  /** Decoded byte offset of the line (line formats only). */
  byte?: number
  /** The last frame start at or before the line (Zstandard only). */
  restart?: RestartPoint
}

/** One record of a shard: its text, or why it cannot be used. */
export type ShardRecord = { record: number; next: RecordPosition } & (
  | { text: string; fields: Record<string, unknown> }
  | { fault: DocumentFault }
)

export interface ReadShardOptions {
  format: DataFormat
  textField: string
  /** Fields that filters need; parquet reads no other columns. */
  fields: string[]
  start?: RecordPosition
  maxLineBytes?: number
  maxRowGroupBytes?: number
}

/**
 * The records of one shard from `start`, in file order; records with a fault are delivered as such and reading goes on.
 * Records before the point of a shard fault are delivered before it is thrown.
 * @throws ShardFault, and the errors of the source
 */
export async function* readShard(source: ByteSource, options: ReadShardOptions): AsyncGenerator<ShardRecord> {
  const named = namingFaults(source)
  if (options.format === 'parquet') yield* parquetRecords(named, options)
  else if (options.format === 'text') yield* wholeFile(named, options)
  else yield* lineRecords(named, options)
}

/**
 * The source, its faults as errors that name it: a LabError as it is, any other (of disk or network) as a ShardFault `read`.
 * A decoder above it takes whatever is no LabError for a fault of the content.
 */
function namingFaults(source: ByteSource): ByteSource {
  const fault = (error: unknown) =>
    error instanceof LabError
      ? error
      : new ShardFault('read', `${source.path}: reading failed: ${messageOf(error)}`, { cause: error })
  return {
    path: source.path,
    byteLength: source.byteLength,
    async slice(start, end) {
      try {
        return await source.slice(start, end)
      } catch (error) {
        throw fault(error)
      }
    },
    async *stream(start) {
      try {
        yield* source.stream(start)
      } catch (error) {
        throw fault(error)
      }
    },
  }
}

/** Decoded bytes between two turns of the event loop: a few milliseconds of work. */
const BREATH_BYTES = 500_000

async function* lineRecords(source: ByteSource, options: ReadShardOptions): AsyncGenerator<ShardRecord> {
  const { textField, maxLineBytes, start = { record: 0 } } = options
  const lineStart: LinePosition = {
    line: start.record,
    byte: start.byte ?? 0,
    ...(start.restart ? { restart: start.restart } : {}),
  }
  const cap = maxLineBytes === undefined ? {} : { maxLineBytes }
  let sinceBreath = 0
  for await (const line of splitLines(decodedChunks(source, options.format, lineStart), { start: lineStart, ...cap })) {
    // decoding from memory never waits, so the event loop would stand still for the length of a chunk
    if ((sinceBreath += line.byteLength) > BREATH_BYTES) {
      sinceBreath = 0
      await breath()
    }
    if (line.bytes && isBlank(line.bytes)) continue
    const { line: record, ...rest } = line.next
    const base = { record: line.line, next: { record, ...rest } }
    try {
      const fields = parseLine(source.path, line, maxLineBytes)
      yield { ...base, fields, text: textOf(fields, textField, `${source.path}, line ${line.line + 1}`) }
    } catch (error) {
      if (!(error instanceof DocumentFault)) throw error
      yield { ...base, fault: error }
    }
  }
}

/** The file as one document; its only field is the text. */
async function* wholeFile(
  source: ByteSource,
  { textField, start, maxLineBytes }: ReadShardOptions,
): AsyncGenerator<ShardRecord> {
  if (start && start.record > 0) return
  const base = { record: 0, next: { record: 1 } }
  if (maxLineBytes !== undefined && source.byteLength > maxLineBytes) {
    const message = `${source.path}: ${source.byteLength} bytes, more than the cap of ${maxLineBytes} for a document`
    yield { ...base, fault: new DocumentFault('too-long', message) }
    return
  }
  const bytes = await source.slice(0, source.byteLength)
  if (!isUtf8(bytes))
    yield {
      ...base,
      fault: new DocumentFault('utf8', `${source.path}: expected UTF-8, found a byte sequence that is none`),
    }
  else {
    const text = Buffer.from(bytes).toString('utf8')
    yield { ...base, fields: { [textField]: text }, text }
  }
}

function decodedChunks(source: ByteSource, format: DataFormat, start: LinePosition) {
  if (format === 'jsonl') return plainChunks(source, start.byte)
  if (format === 'jsonl.gz') return chunksFrom(gunzipChunks(source), start.byte)
  return chunksFrom(zstdChunks(source, start.restart), start.byte)
}

async function* parquetRecords(source: ByteSource, options: ReadShardOptions): AsyncGenerator<ShardRecord> {
  const { textField, fields: extra, start, maxRowGroupBytes } = options
  // a dotted path reads inside a nested column
  const columns = [...new Set([textField, ...extra].map(path => path.split('.')[0]!))]
  const limits = maxRowGroupBytes === undefined ? {} : { maxRowGroupBytes }
  for await (const { row, fields } of parquetRows(source, { columns, startRow: start?.record ?? 0, ...limits })) {
    const base = { record: row, next: { record: row + 1 } }
    try {
      yield { ...base, fields, text: textOf(fields, textField, `${source.path}, row ${row}`) }
    } catch (error) {
      if (!(error instanceof DocumentFault)) throw error
      yield { ...base, fault: error }
    }
  }
}

function textOf(fields: Record<string, unknown>, textField: string, at: string): string {
  const text = fieldAt(fields, textField)
  if (text === INVALID_UTF8) throw new DocumentFault('utf8', `${at}: "${textField}" is not UTF-8`)
  if (typeof text !== 'string') {
    const hint =
      text === undefined
        ? ` The record has ${Object.keys(fields).join(', ')}.${didYouMean(textField, Object.keys(fields))}`
        : ''
    const found = text === undefined ? 'no such field' : text === null ? 'null' : `a value of type ${typeof text}`
    throw new DocumentFault('field', `${at}: expected a string in "${textField}", found ${found}.${hint}`)
  }
  // Node 20 has it, the ES2022 types do not
  if (!(text as unknown as { isWellFormed(): boolean }).isWellFormed())
    throw new DocumentFault('surrogate', `${at}: the text has half of a surrogate pair, which no UTF-8 can express`)
  return text
}
