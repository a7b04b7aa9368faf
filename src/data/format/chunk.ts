import type { ByteSource } from '../../util/byte-source.js'

/** Where a decoder can start again: a byte offset in the stored file and the decoded offset that it corresponds to. */
export type RestartPoint = [storedByte: number, decodedByte: number]

/** A piece of the decoded stream. */
export interface Chunk {
  bytes: Uint8Array
  /** Offset of `bytes[0]` in the decoded stream. */
  byte: number
  /** The latest restart point at or before `byte`; absent where decoding can only start at the beginning. */
  restart?: RestartPoint
}

/** The bytes of an uncompressed file from `start`; every byte is a restart point, so none is noted. */
export async function* plainChunks(source: ByteSource, start = 0): AsyncGenerator<Chunk> {
  let byte = start
  for await (const bytes of source.stream(start)) {
    yield { bytes, byte }
    byte += bytes.byteLength
  }
}

/** Drops what lies before decoded byte `start`. */
export async function* chunksFrom(chunks: AsyncIterable<Chunk>, start: number): AsyncGenerator<Chunk> {
  for await (const chunk of chunks) {
    const skip = start - chunk.byte
    if (skip <= 0) yield chunk
    else if (skip < chunk.bytes.byteLength) yield { ...chunk, bytes: chunk.bytes.subarray(skip), byte: start }
  }
}
