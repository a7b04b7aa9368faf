import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import type { ByteSource } from '../../util/byte-source.js'
import { messageOf } from '../../util/errors.js'
import { ShardFault } from '../fault.js'
import type { Chunk } from './chunk.js'

/**
 * Decodes a gzip file (RFC 1952), several members included; a file of zero bytes has zero members.
 * What was decoded before a fault has been delivered by then.
 * @throws ShardFault `truncated` when the last member is cut, `checksum` for a wrong CRC or length, `corrupt` for anything else
 */
export async function* gunzipChunks(source: ByteSource): AsyncGenerator<Chunk> {
  if (source.byteLength === 0) return
  let sourceError: unknown
  const input = Readable.from(noteError(source.stream(), error => (sourceError = error)))
  const gunzip = createGunzip()
  // the callback is what keeps an error of either side from being thrown a second time as an unhandled event
  pipeline(input, gunzip, () => undefined)
  let byte = 0
  try {
    for await (const bytes of gunzip as AsyncIterable<Uint8Array>) {
      yield { bytes, byte }
      byte += bytes.byteLength
    }
  } catch (error) {
    throw sourceError ?? gzipFault(source.path, byte, error)
  } finally {
    gunzip.destroy()
    input.destroy()
  }
}

async function* noteError(stream: AsyncIterable<Uint8Array>, note: (error: unknown) => void) {
  try {
    yield* stream
  } catch (error) {
    note(error)
    throw error
  }
}

function gzipFault(path: string, byte: number, error: unknown): ShardFault {
  const code = (error as { code?: string }).code
  const detail = messageOf(error)
  const at = `${path}: gzip data, after ${byte} decoded bytes`
  if (code === 'Z_BUF_ERROR')
    return new ShardFault('truncated', `${at}: the file ends inside a member; fetch it again`, { cause: error })
  const reason = /incorrect (data|length) check/.test(detail) ? 'checksum' : 'corrupt'
  return new ShardFault(reason, `${at}: ${detail}; fetch it again`, { cause: error })
}
