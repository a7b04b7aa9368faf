import type { Transform } from 'node:stream'
import * as zlib from 'node:zlib'
import { Decompress } from 'fzstd'
import type { ByteSource } from '../../util/byte-source.js'
import { LabError, messageOf } from '../../util/errors.js'
import { ShardFault } from '../fault.js'
import type { Chunk, RestartPoint } from './chunk.js'
import { driveDecoder } from './drive.js'
import { Xxh64 } from './xxhash64.js'
import { type ZstdFrame, zstdFrames } from './zstd-frames.js'

/** The decoder of single frames: Node's own (Node >= 22.15) or fzstd in plain JavaScript. */
export type ZstdEngine = 'native' | 'js'

/** Node's decoder, absent before 22.15 (and from the types of Node 20). */
const createNative = (zlib as { createZstdDecompress?: () => Transform }).createZstdDecompress

/** The engine that is used unless another is asked for. */
export const defaultZstdEngine: ZstdEngine = createNative ? 'native' : 'js'

/**
 * Decodes a Zstandard file from a restart point (a frame's start): several frames, empty and skippable ones, content checksums
 * checked. A file of zero bytes has zero frames. What was decoded before a fault has been delivered by then.
 * @throws ShardFault `truncated`, `checksum` or `corrupt`, with the byte where the frame starts
 */
export async function* zstdChunks(
  source: ByteSource,
  start: RestartPoint = [0, 0],
  engine: ZstdEngine = defaultZstdEngine,
): AsyncGenerator<Chunk> {
  let byte = start[1]
  for await (const frame of zstdFrames(source, start[0])) {
    const restart: RestartPoint = [frame.storedByte, byte]
    for await (const bytes of decodeFrame(source.path, frame, engine)) {
      yield { bytes, byte, restart }
      byte += bytes.byteLength
    }
  }
}

async function* decodeFrame(path: string, frame: ZstdFrame, engine: ZstdEngine): AsyncGenerator<Uint8Array> {
  try {
    yield* engine === 'native' ? decodeNative(frame) : decodeJs(path, frame)
  } catch (error) {
    if (error instanceof LabError) throw error
    const detail = messageOf(error)
    const reason = /checksum/i.test(detail) ? 'checksum' : 'corrupt'
    const where = `${path}: the Zstandard frame at byte ${frame.storedByte}`
    throw new ShardFault(reason, `${where} cannot be decoded (${detail}); fetch the file again`, { cause: error })
  }
}

/** fzstd passes over checksums, so they are computed here. */
async function* decodeJs(path: string, frame: ZstdFrame): AsyncGenerator<Uint8Array> {
  let output: Uint8Array[] = []
  const decoder = new Decompress(bytes => void output.push(bytes))
  const hash = new Xxh64()
  let wantsChecksum: boolean | undefined
  let held: Uint8Array | undefined
  for await (const part of frame.parts) {
    wantsChecksum ??= (part[4]! & 4) !== 0
    // one part behind, because the decoder wants to be told which part is the last
    if (held) decoder.push(held, false)
    held = part
    yield* take()
  }
  if (held) decoder.push(held, true)
  yield* take()
  const expected = frame.checksum()
  if (expected !== undefined && expected !== hash.low32())
    throw new ShardFault(
      'checksum',
      `${path}: the Zstandard frame at byte ${frame.storedByte} does not match its checksum; fetch the file again`,
    )

  function* take(): Generator<Uint8Array> {
    const ready = output.filter(bytes => bytes.byteLength > 0)
    output = []
    for (const bytes of ready) {
      if (wantsChecksum) hash.update(bytes)
      yield bytes
    }
  }
}

function decodeNative(frame: ZstdFrame): AsyncGenerator<Uint8Array> {
  if (createNative) return driveDecoder(frame.parts, createNative())
  throw new LabError('ZSTD_ENGINE', 'this Node has no Zstandard decoder (it came with 22.15); use engine "js"')
}
