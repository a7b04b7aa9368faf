/**
 * The little of TensorBoard's file format that scalars need: TFRecord frames (length, masked CRC-32C of the length, data, masked CRC-32C of
 * the data) around protobuf `Event` messages (tensorflow/core/util/event.proto, summary.proto).
 */
import { crc32c } from '../util/crc32c.js'

/** One `Event`. At most one of `fileVersion`, `scalars` and `sessionStart` is given. */
export interface TensorBoardEvent {
  /** Seconds since 1970. */
  wallTime: number
  step: number
  fileVersion?: string
  /** Values by tag; stored as f32. */
  scalars?: readonly (readonly [tag: string, value: number])[]
  /** Says that the run goes on from `step`: a reader drops what was recorded after it. */
  sessionStart?: boolean
}

const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  // divided, not shifted: steps may be larger than 32 bits
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return [...bytes, rest]
}

function key(field: number, wire: number): number[] {
  return varint(field * 8 + wire)
}

function float(field: number, wire: typeof FIXED32 | typeof FIXED64, value: number): Uint8Array {
  const bytes = Buffer.alloc(wire === FIXED32 ? 4 : 8)
  if (wire === FIXED32) bytes.writeFloatLE(value)
  else bytes.writeDoubleLE(value)
  return Buffer.concat([Uint8Array.from(key(field, wire)), bytes])
}

function message(field: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.from([...key(field, BYTES), ...varint(content.length)]), content])
}

function summary(scalars: NonNullable<TensorBoardEvent['scalars']>): Uint8Array {
  return Buffer.concat(
    scalars.map(([tag, value]) => message(1, Buffer.concat([message(1, Buffer.from(tag)), float(2, FIXED32, value)]))),
  )
}

/** The protobuf bytes of an event. */
export function encodeEvent({ wallTime, step, fileVersion, scalars, sessionStart }: TensorBoardEvent): Uint8Array {
  const sessionLog = Uint8Array.from([...key(1, VARINT), 1])
  return Buffer.concat([
    float(1, FIXED64, wallTime),
    Uint8Array.from([...key(2, VARINT), ...varint(step)]),
    ...(fileVersion === undefined ? [] : [message(3, Buffer.from(fileVersion))]),
    ...(scalars === undefined ? [] : [message(5, summary(scalars))]),
    ...(sessionStart ? [message(7, sessionLog)] : []),
  ])
}

/** CRC-32C rotated and shifted, so that the checksum of data that holds checksums stays sound. */
export function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes)
  return (((crc >>> 15) | (crc << 17)) + 0xa282_ead8) >>> 0
}

/** One TFRecord: data in its frame. */
export function frame(data: Uint8Array): Uint8Array {
  const head = Buffer.alloc(12)
  head.writeBigUInt64LE(BigInt(data.length))
  head.writeUInt32LE(maskedCrc(head.subarray(0, 8)), 8)
  const tail = Buffer.alloc(4)
  tail.writeUInt32LE(maskedCrc(data))
  return Buffer.concat([head, data, tail])
}
