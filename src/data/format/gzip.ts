import { createGunzip } from 'node:zlib'
import type { ByteSource } from '../../util/byte-source.js'
import { messageOf } from '../../util/errors.js'
import { ShardFault } from '../fault.js'
import type { Chunk } from './chunk.js'
import { driveDecoder, inPieces } from './drive.js'

const PIECE_BYTES = 1 << 14

/**
 * Decodes a gzip file (RFC 1952), several members included; a file of zero bytes has zero members.
 * What was decoded before a fault has been delivered by then, up to the last 16 KiB of it; how much never depends on how the bytes arrive.
 * @throws ShardFault `truncated` when the last member is cut, `checksum` for a wrong CRC or length, `corrupt` for anything else
 */
export async function* gunzipChunks(source: ByteSource): AsyncGenerator<Chunk> {
  if (source.byteLength === 0) return
  let byte = 0
  try {
    for await (const bytes of driveDecoder(inPieces(source.stream(), PIECE_BYTES), createGunzip())) {
      yield { bytes, byte }
      byte += bytes.byteLength
    }
  } catch (error) {
    throw gzipFault(source.path, byte, error) ?? error
  }
}

/** Null for an error that is not one of zlib. */
function gzipFault(path: string, byte: number, error: unknown): ShardFault | null {
  const code = String((error as { code?: unknown }).code)
  if (!code.startsWith('Z_')) return null
  const detail = messageOf(error)
  const at = `${path}: gzip data, after ${byte} decoded bytes`
  if (code === 'Z_BUF_ERROR')
    return new ShardFault('truncated', `${at}: the file ends inside a member; fetch it again`, { cause: error })
  const reason = /incorrect (data|length) check/.test(detail) ? 'checksum' : 'corrupt'
  return new ShardFault(reason, `${at}: ${detail}; fetch it again`, { cause: error })
}
