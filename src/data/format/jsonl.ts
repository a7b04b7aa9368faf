import { isUtf8 } from 'node:buffer'
import { messageOf } from '../../util/errors.js'
import { DocumentFault } from '../fault.js'
import type { Chunk, RestartPoint } from './chunk.js'

/** The longest line that is read, in bytes, unless another cap is given; longer ones are document faults. */
export const DEFAULT_MAX_LINE_BYTES = 64_000_000

const NEWLINE = 0x0a

/** Where a line starts. `line` counts from 0 and includes blank lines; `byte` is an offset in the decoded stream. */
export interface LinePosition {
  line: number
  byte: number
  restart?: RestartPoint
}

/** One line without its newline; `bytes` is null when it is longer than the cap (its content was not kept). */
export interface Line {
  line: number
  byte: number
  byteLength: number
  bytes: Uint8Array | null
  /** Where the next line starts. */
  next: LinePosition
}

/**
 * Cuts a decoded stream into lines at `\n`. A last line without newline counts; an empty rest does not.
 * Never holds more than one line of at most `maxLineBytes` and one chunk.
 */
export async function* splitLines(
  chunks: AsyncIterable<Chunk>,
  {
    start = { line: 0, byte: 0 },
    maxLineBytes = DEFAULT_MAX_LINE_BYTES,
  }: { start?: LinePosition; maxLineBytes?: number } = {},
): AsyncGenerator<Line> {
  let { line, byte } = start
  let restart = start.restart
  let pieces: Uint8Array[] = []
  let length = 0
  const keep = (piece: Uint8Array) => {
    length += piece.byteLength
    if (length > maxLineBytes) pieces = []
    else if (piece.byteLength > 0) pieces.push(piece)
  }
  const finish = (newline: 0 | 1): Line => {
    const bytes = length > maxLineBytes ? null : joined(pieces, length)
    const end = byte + length + newline
    const done = { line, byte, byteLength: length, bytes, next: position(line + 1, end, restart) }
    line++
    byte = end
    pieces = []
    length = 0
    return done
  }
  for await (const chunk of chunks) {
    let from = 0
    for (let at = chunk.bytes.indexOf(NEWLINE); at >= 0; at = chunk.bytes.indexOf(NEWLINE, from)) {
      keep(chunk.bytes.subarray(from, at))
      // the newline lies in this chunk, so the next line starts at or after its restart point
      restart = chunk.restart
      yield finish(1)
      from = at + 1
    }
    keep(chunk.bytes.subarray(from))
  }
  if (length > 0) yield finish(0)
}

function position(line: number, byte: number, restart: RestartPoint | undefined): LinePosition {
  return restart ? { line, byte, restart } : { line, byte }
}

function joined(pieces: Uint8Array[], length: number): Uint8Array {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length)
}

/** Whether a line has nothing but JSON white space. */
export function isBlank(bytes: Uint8Array): boolean {
  return bytes.every(b => b === 0x20 || b === 0x09 || b === 0x0d)
}

/**
 * The JSON object of a line.
 * @throws DocumentFault `too-long`, `utf8` or `json`, with file, line (from 1) and byte
 */
export function parseLine(path: string, line: Line, maxLineBytes = DEFAULT_MAX_LINE_BYTES): Record<string, unknown> {
  const at = `${path}, line ${line.line + 1} (byte ${line.byte} decoded)`
  if (line.bytes === null)
    throw new DocumentFault(
      'too-long',
      `${at}: ${line.byteLength} bytes, more than the cap of ${maxLineBytes}; raise maxLineBytes`,
    )
  if (!isUtf8(line.bytes)) throw new DocumentFault('utf8', `${at}: expected UTF-8, found a byte sequence that is none`)
  const text = Buffer.from(line.bytes.buffer, line.bytes.byteOffset, line.bytes.byteLength).toString('utf8')
  let value: unknown
  try {
    value = JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text)
  } catch (error) {
    throw new DocumentFault('json', `${at}: expected one JSON object a line: ${messageOf(error)}`, { cause: error })
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new DocumentFault(
      'json',
      `${at}: expected a JSON object, found ${value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value}`,
    )
  return value as Record<string, unknown>
}
