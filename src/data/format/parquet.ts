import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import type { ByteSource } from '../../util/byte-source.js'
import { LabError, messageOf } from '../../util/errors.js'
import { formatBytes } from '../../util/format.js'
import { didYouMean } from '../../util/nearest.js'
import { ShardFault } from '../fault.js'

/** The largest row group (decoded bytes of the columns that are read) that is held in memory, unless another cap is given. */
export const DEFAULT_MAX_ROW_GROUP_BYTES = 1_000_000_000

/** Stands for a string value whose bytes are not UTF-8; told apart by identity. */
export const INVALID_UTF8: unique symbol = Symbol('bytes that are not UTF-8')

export interface ParquetRow {
  row: number
  fields: Record<string, unknown>
}

export interface ParquetReadOptions {
  /** Top-level columns to read; only their bytes are fetched. */
  columns: string[]
  /** The first row to deliver (default 0); row groups before it are not read. */
  startRow?: number
  maxRowGroupBytes?: number
}

/**
 * The rows of a parquet file in order, one row group in memory at a time.
 * @throws ShardFault `truncated`, `corrupt`, `schema` (a column is not there) or `row-group-too-large`
 */
export async function* parquetRows(source: ByteSource, options: ParquetReadOptions): AsyncGenerator<ParquetRow> {
  const { columns, startRow = 0, maxRowGroupBytes = DEFAULT_MAX_ROW_GROUP_BYTES } = options
  const file = asyncBuffer(source)
  const metadata = await decoding(source.path, 'the footer', () => parquetMetadataAsync(file, {}))
  checkColumns(source.path, metadata, columns)
  let groupStart = 0
  for (const [index, group] of metadata.row_groups.entries()) {
    const rowStart = groupStart
    const rowEnd = groupStart + Number(group.num_rows)
    groupStart = rowEnd
    if (rowEnd <= startRow) continue
    checkGroupSize(source.path, metadata, index, columns, maxRowGroupBytes)
    const rows = await decoding(source.path, `row group ${index} (rows ${rowStart} to ${rowEnd})`, () =>
      parquetReadObjects({ file, metadata, columns, rowStart, rowEnd, compressors, parsers: { stringFromBytes } }),
    )
    if (rows.length !== rowEnd - rowStart)
      throw new ShardFault(
        'corrupt',
        `${source.path}: row group ${index} has ${rows.length} rows, its header says ${rowEnd - rowStart}`,
      )
    for (let i = Math.max(0, startRow - rowStart); i < rows.length; i++)
      yield { row: rowStart + i, fields: rows[i] as Record<string, unknown> }
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** One bad value must not cost its row group: it becomes {@link INVALID_UTF8}. */
function stringFromBytes(bytes: Uint8Array): string {
  if (!bytes) return bytes
  try {
    return utf8.decode(bytes)
  } catch {
    return INVALID_UTF8 as unknown as string
  }
}

function asyncBuffer(source: ByteSource): AsyncBuffer {
  return {
    byteLength: source.byteLength,
    async slice(start, end = source.byteLength) {
      const bytes = await source.slice(start, Math.min(end, source.byteLength))
      const whole = bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength
      // a copy by the constructor: the slice of a Buffer would be a view again
      return (whole ? bytes.buffer : new Uint8Array(bytes).buffer) as ArrayBuffer
    },
  }
}

/** Turns what the decoder throws into a shard fault; errors of reading are LabErrors and pass through. */
async function decoding<T>(path: string, what: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (error) {
    if (error instanceof LabError) throw error
    const detail = messageOf(error)
    const truncated = /footer|magic|PAR1|too short|end of file/i.test(detail)
    throw new ShardFault(
      truncated ? 'truncated' : 'corrupt',
      `${path}: ${what} of the parquet file cannot be read (${detail}); fetch the file again`,
      { cause: error },
    )
  }
}

function checkColumns(path: string, metadata: FileMetaData, columns: string[]): void {
  const present = parquetSchema(metadata).children.map(child => child.element.name)
  for (const column of columns) {
    if (present.includes(column)) continue
    throw new ShardFault(
      'schema',
      `${path}: expected a column "${column}", the file has ${present.join(', ')}.${didYouMean(column, present)}`,
    )
  }
}

function checkGroupSize(path: string, metadata: FileMetaData, index: number, columns: string[], cap: number): void {
  let bytes = 0
  for (const { meta_data: meta } of metadata.row_groups[index]!.columns)
    if (meta && columns.includes(meta.path_in_schema[0]!)) bytes += Number(meta.total_uncompressed_size)
  if (bytes <= cap) return
  throw new ShardFault(
    'row-group-too-large',
    `${path}: row group ${index} is ${formatBytes(bytes)} in the columns ${columns.join(', ')}, more than the cap of ` +
      `${formatBytes(cap)} that may be held in memory; raise maxRowGroupBytes or write the file with smaller row groups`,
  )
}
