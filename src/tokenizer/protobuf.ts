import { LabError } from '../util/errors.js'

/** One field of a protobuf message: its number, wire type and raw value. */
export interface ProtobufField {
  field: number
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  wire: 0 | 1 | 2 | 5
  /** The value of a varint (lowest 53 bits); 0 for the others. */
  value: number
  /** The bytes of a length-delimited, four-byte or eight-byte field, borrowed from the input; empty for a varint. */
  bytes: Uint8Array
}

/**
 * The fields of one protobuf message in order (https://protobuf.dev/programming-guides/encoding).
 * @param where the file and message, for messages
 * @throws LabError `TOKENIZER_INVALID` when a field runs past the end or has an unknown wire type
 */
export function* readProtobuf(message: Uint8Array, where: string): Generator<ProtobufField> {
  const empty = message.subarray(0, 0)
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= message.length) throw broken(where, at, 'the file ends inside a number')
      const byte = message[at++]!
      if (shift < 49) value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw broken(where, at, 'a number is longer than ten bytes')
  }
  const take = (length: number): Uint8Array => {
    if (length > message.length - at)
      throw broken(where, at, `a field of ${length} bytes is announced but only ${message.length - at} are left`)
    at += length
    return message.subarray(at - length, at)
  }
  while (at < message.length) {
    const key = varint()
    const [field, wire] = [Math.floor(key / 8), key % 8]
    if (wire === 0) yield { field, wire, value: varint(), bytes: empty }
    else if (wire === 1) yield { field, wire, value: 0, bytes: take(8) }
    else if (wire === 2) yield { field, wire, value: 0, bytes: take(varint()) }
    else if (wire === 5) yield { field, wire, value: 0, bytes: take(4) }
    else throw broken(where, at, `unknown wire type ${wire}`)
  }
}

function broken(where: string, at: number, what: string): LabError {
  return new LabError(
    'TOKENIZER_INVALID',
    `${where}: not a whole SentencePiece model: at byte ${at} of the message ${what}. Download the file again`,
  )
}

/** The little-endian float32 of a four-byte field. */
export function float32Of(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat32(0, true)
}
