import { LabError, messageOf } from '../util/errors.js'
import { formatCount } from '../util/format.js'
import { duplicateKey } from './duplicate-keys.js'
import { byteLengthOf, dtypeBits, isStorageDtype, type StorageDtype } from './tensor-source.js'

/**
 * The safetensors header: 8 bytes with the length N of the JSON (unsigned, little-endian), N bytes of JSON, then the
 * data. Each tensor names its type, its shape and its byte range [begin, end) within the data; the ranges cover the data
 * with no overlap and no hole.
 */
export interface HeaderTensor {
  dtype: StorageDtype
  shape: number[]
  /** Byte range within the data section. */
  begin: number
  end: number
}

export interface SafetensorsHeader {
  tensors: Map<string, HeaderTensor>
  metadata: Record<string, string>
  /** Offset of the data section in the file: 8 + N. */
  dataOffset: number
}

/** Longest header that is read. Four hundred blocks with every bias take 0.6 MB. */
export const maxHeaderBytes = 25_000_000

function broken(rule: string, where: string, message: string): LabError {
  return new LabError(
    `SAFETENSORS_${rule}`,
    `${where}: ${message} The file is damaged, incomplete or hostile; fetch or write it again.`,
  )
}

/**
 * Checks the first 8 bytes against the size of the file, before anything is allocated for the header.
 *
 * @returns the length of the JSON in bytes
 * @throws LabError SAFETENSORS_TRUNCATED, SAFETENSORS_HEADER_TOO_LONG
 */
export function headerLength(prefix: Uint8Array, fileBytes: number, where: string): number {
  if (fileBytes < 8 || prefix.byteLength < 8)
    throw broken('TRUNCATED', where, `expected at least 8 bytes of header length, the file has ${fileBytes}.`)
  const length = new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true)
  if (length > BigInt(maxHeaderBytes))
    throw broken(
      'HEADER_TOO_LONG',
      where,
      `the header says it is ${length} bytes long, more than the limit of ${formatCount(maxHeaderBytes)}.`,
    )
  if (8 + Number(length) > fileBytes)
    throw broken(
      'TRUNCATED',
      where,
      `the header says it is ${length} bytes long, but the file has ${fileBytes} bytes in all.`,
    )
  return Number(length)
}

function parseJson(bytes: Uint8Array, where: string): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw broken('HEADER_START', where, 'the header does not start with "{".')
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw broken('HEADER_UTF8', where, 'the header is not valid UTF-8.')
  }
  let value: Record<string, unknown>
  try {
    value = JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    throw broken('HEADER_JSON', where, `the header is not valid JSON (${messageOf(error)}).`)
  }
  const twice = duplicateKey(text)
  if (twice !== null) throw broken('DUPLICATE_KEY', where, `the header has the key ${JSON.stringify(twice)} twice.`)
  return value
}

function parseMetadata(value: unknown, where: string): Record<string, string> {
  const isMap = value !== null && typeof value === 'object' && !Array.isArray(value)
  if (!isMap || Object.values(value).some(entry => typeof entry !== 'string'))
    throw broken('METADATA', where, '"__metadata__" must be an object of strings.')
  return value as Record<string, string>
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function parseTensor(name: string, value: unknown, where: string): HeaderTensor {
  const at = `${where}: tensor ${JSON.stringify(name)}`
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>
  if (!isStorageDtype(dtype))
    throw broken('DTYPE', at, `dtype ${JSON.stringify(dtype)} is not one of ${Object.keys(dtypeBits).join(', ')}.`)
  if (!Array.isArray(shape) || !shape.every(isIndex))
    throw broken('SHAPE', at, `shape ${JSON.stringify(shape)} is not a list of non-negative integers.`)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isIndex))
    throw broken('OFFSETS', at, `data_offsets ${JSON.stringify(offsets)} are not two non-negative integers.`)
  const [begin, end] = offsets as [number, number]
  if (begin > end) throw broken('OFFSETS', at, `data_offsets [${begin}, ${end}] end before they begin.`)
  const bytes = byteLengthOf(dtype, shape)
  if (bytes === null)
    throw broken(
      'SHAPE_OVERFLOW',
      at,
      `shape [${shape.join(', ')}] of ${dtype} has no byte count that can be addressed.`,
    )
  if (end - begin !== bytes)
    throw broken(
      'SIZE',
      at,
      `shape [${shape.join(', ')}] of ${dtype} takes ${bytes} bytes, but data_offsets span ${end - begin}.`,
    )
  return { dtype, shape: shape as number[], begin, end }
}

/** Every byte of the data belongs to exactly one tensor. */
function checkCoverage(tensors: Map<string, HeaderTensor>, dataBytes: number, where: string): void {
  let covered = 0
  let previous = ''
  for (const [name, { begin, end }] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    const at = `${where}: tensor ${JSON.stringify(name)}`
    if (end > dataBytes)
      throw broken('OUT_OF_BOUNDS', at, `data_offsets [${begin}, ${end}] leave the ${dataBytes} bytes of data.`)
    if (begin < covered)
      throw broken(
        'OVERLAP',
        at,
        `it begins at ${begin}, inside tensor ${JSON.stringify(previous)}, which ends at ${covered}.`,
      )
    if (begin > covered) throw broken('HOLE', at, `bytes ${covered} to ${begin} before it belong to no tensor.`)
    ;[covered, previous] = [end, name]
  }
  if (covered < dataBytes) throw broken('HOLE', where, `the last ${dataBytes - covered} bytes belong to no tensor.`)
}

/**
 * Parses and checks the JSON of a safetensors header.
 *
 * @param bytes the JSON, without the 8 bytes of length
 * @param fileBytes size of the whole file
 * @param where names the file in errors
 * @throws LabError SAFETENSORS_ + HEADER_START, HEADER_UTF8, HEADER_JSON, DUPLICATE_KEY, METADATA, DTYPE, SHAPE,
 * SHAPE_OVERFLOW, OFFSETS, SIZE, OUT_OF_BOUNDS, OVERLAP or HOLE: the first rule that is broken
 */
export function parseHeader(bytes: Uint8Array, fileBytes: number, where: string): SafetensorsHeader {
  const { __metadata__: rawMetadata, ...rest } = parseJson(bytes, where)
  const metadata = rawMetadata === undefined ? {} : parseMetadata(rawMetadata, where)
  const tensors = new Map(Object.entries(rest).map(([name, value]) => [name, parseTensor(name, value, where)] as const))
  const dataOffset = 8 + bytes.byteLength
  checkCoverage(tensors, fileBytes - dataOffset, where)
  return { tensors, metadata, dataOffset }
}

/** A tensor to be laid out in a new file. */
export interface TensorShape {
  name: string
  dtype: StorageDtype
  shape: readonly number[]
}

/**
 * Lays tensors out one after another and encodes the header, padded with spaces so that the data starts at a multiple of
 * 8 bytes. The wider types come first (otherwise in the given order), so every tensor is aligned to its element size.
 *
 * @returns the bytes before the data, and the names in the order of their data
 * @throws LabError SAFETENSORS_WRITE for a repeated name, the reserved name, or a shape without a byte count
 */
export function encodeHeader(
  tensors: readonly TensorShape[],
  metadata: Record<string, string> = {},
): { bytes: Uint8Array; order: string[]; dataBytes: number } {
  const sorted = [...tensors].sort((a, b) => dtypeBits[b.dtype] - dtypeBits[a.dtype])
  const entries = new Map<string, unknown>([['__metadata__', metadata]])
  let offset = 0
  for (const { name, dtype, shape } of sorted) {
    if (entries.has(name))
      throw new LabError('SAFETENSORS_WRITE', `two tensors would be written under the name "${name}".`)
    const bytes = byteLengthOf(dtype, shape)
    if (bytes === null || !shape.every(isIndex))
      throw new LabError('SAFETENSORS_WRITE', `"${name}": shape [${shape.join(', ')}] of ${dtype} cannot be written.`)
    entries.set(name, { dtype, shape, data_offsets: [offset, (offset += bytes)] })
  }
  const json = new TextEncoder().encode(
    `{${[...entries].map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(',')}}`,
  )
  const padded = Math.ceil(json.byteLength / 8) * 8
  if (padded > maxHeaderBytes)
    throw new LabError(
      'SAFETENSORS_WRITE',
      `the header would take ${padded} bytes, more than the limit of ${maxHeaderBytes}; write more shards.`,
    )
  const bytes = new Uint8Array(8 + padded).fill(0x20)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true)
  bytes.set(json, 8)
  return { bytes, order: sorted.map(tensor => tensor.name), dataBytes: offset }
}
