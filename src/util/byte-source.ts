import { open, stat } from 'node:fs/promises'
import { LabError, messageOf } from './errors.js'
import { readFully } from './read-fully.js'

/** A file that can be read by ranges, wherever it lies. Holds nothing open between calls. */
export interface ByteSource {
  /** How the file is named in errors and provenance: a path or an `hf://` address. */
  readonly path: string
  readonly byteLength: number
  /** The bytes `start <= i < end`, exactly; a range outside the file is an error. */
  slice(start: number, end: number): Promise<Uint8Array>
  /** All bytes from `start` (default 0) in chunks of any size; stopping the iteration early releases what it held. */
  stream(start?: number): AsyncIterable<Uint8Array>
}

/** Small enough that decoding one chunk never holds the event loop for more than a few milliseconds. */
const STREAM_CHUNK_BYTES = 1 << 16

/**
 * A local file as a {@link ByteSource}. The handle is opened per call and closed with it, so that a source needs no disposal.
 * @throws LabError `FILE_NOT_FOUND` when there is no such file, `FILE_CHANGED` when it has become shorter since
 */
export async function openLocalFile(path: string): Promise<ByteSource> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new LabError('FILE_NOT_FOUND', `expected a file at ${path}: ${messageOf(cause)}`, { cause })
  })
  if (!info.isFile()) throw new LabError('FILE_NOT_FOUND', `expected a file at ${path}, found a directory or device`)
  const byteLength = info.size
  return {
    path,
    byteLength,
    slice: (start, end) => readRange(path, byteLength, start, end),
    stream: start => streamFrom(path, start ?? 0),
  }
}

async function readRange(path: string, byteLength: number, start: number, end: number): Promise<Uint8Array> {
  if (start < 0 || end < start || end > byteLength)
    throw new LabError('RANGE', `bytes ${start} to ${end} lie outside ${path}, which has ${byteLength}`)
  const bytes = new Uint8Array(end - start)
  const handle = await open(path, 'r')
  try {
    const done = await readFully(handle, bytes, start)
    if (done < bytes.byteLength)
      throw new LabError(
        'FILE_CHANGED',
        `${path} ends at byte ${start + done}, it had ${byteLength} when it was opened`,
      )
  } finally {
    await handle.close()
  }
  return bytes
}

async function* streamFrom(path: string, start: number): AsyncGenerator<Uint8Array> {
  const handle = await open(path, 'r')
  try {
    for (let position = start; ; ) {
      const chunk = new Uint8Array(STREAM_CHUNK_BYTES)
      const { bytesRead } = await handle.read(chunk, 0, STREAM_CHUNK_BYTES, position)
      if (bytesRead === 0) return
      position += bytesRead
      yield chunk.subarray(0, bytesRead)
    }
  } finally {
    await handle.close()
  }
}
