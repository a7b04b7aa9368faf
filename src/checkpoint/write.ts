import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fsyncDirectory } from '../util/atomic-file.js'
import { internal, LabError } from '../util/errors.js'
import { unfinishedName } from '../util/leftovers.js'
import { makeDirectories } from '../util/make-directories.js'
import { encodeHeader, type TensorShape } from './header.js'
import { readChunks } from './read.js'
import { byteLengthOf, type TensorSource } from './tensor-source.js'

/**
 * Where the bytes of a tensor come from: bytes at hand, a place in another file (copied in pieces, byte for byte),
 * `'zeros'`, or a function called when the tensor's turn comes, so that only one tensor is in memory at a time.
 */
export type TensorData =
  | Uint8Array
  | TensorSource
  | 'zeros'
  | (() => Uint8Array | Promise<Uint8Array> | AsyncIterable<Uint8Array>)

/** A tensor to be written: its name, type, shape and bytes (little-endian, row-major). */
export interface TensorEntry extends TensorShape {
  data: TensorData
}

export interface WriteOptions {
  /** Free text for `__metadata__`; default `{ format: 'pt' }`, which transformers asks for. */
  metadata?: Record<string, string>
  signal?: AbortSignal
  /** Called with the number of bytes written since the last call. */
  onBytes?: (bytes: number) => void
}

const zeroChunk = new Uint8Array(2 ** 20)

async function* zeros(byteLength: number): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < byteLength; done += zeroChunk.byteLength)
    yield zeroChunk.subarray(0, Math.min(zeroChunk.byteLength, byteLength - done))
}

async function* chunksOf({ data }: TensorEntry, byteLength: number): AsyncGenerator<Uint8Array> {
  if (data === 'zeros') yield* zeros(byteLength)
  else if (data instanceof Uint8Array) yield data
  else if (typeof data !== 'function') yield* readChunks(data)
  else {
    const made = data()
    if (Symbol.asyncIterator in made) yield* made
    else yield await made
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  let done = 0
  while (done < bytes.byteLength)
    done += (await file.write(bytes, done, Math.min(bytes.byteLength - done, 2 ** 30))).bytesWritten
}

async function writeTensor(file: FileHandle, entry: TensorEntry, options: WriteOptions): Promise<void> {
  const { name, dtype, shape } = entry
  const expected = byteLengthOf(dtype, shape)!
  let written = 0
  for await (const chunk of chunksOf(entry, expected)) {
    options.signal?.throwIfAborted()
    written += chunk.byteLength
    if (written > expected) break
    await writeAll(file, chunk)
    options.onBytes?.(chunk.byteLength)
  }
  if (written !== expected)
    throw new LabError(
      'SAFETENSORS_WRITE',
      `"${name}": shape [${shape.join(', ')}] of ${dtype} takes ${expected} bytes, but its data has ${written > expected ? 'more' : written}.`,
    )
}

/**
 * Writes a safetensors file tensor by tensor: to a temporary name beside `path`, flushed to disk, then renamed, so that
 * a reader or a crash sees the old file or the complete new one.
 *
 * @throws LabError SAFETENSORS_WRITE when names repeat or data does not fit its shape; the abort reason of `signal`.
 * Nothing is left behind then.
 */
export async function writeSafetensors(
  path: string,
  entries: readonly TensorEntry[],
  options: WriteOptions = {},
): Promise<void> {
  const byName = new Map(entries.map(entry => [entry.name, entry]))
  const { bytes: header, order } = encodeHeader(entries, options.metadata ?? { format: 'pt' })
  makeDirectories(dirname(path))
  const temporary = unfinishedName(path, 'tmp')
  try {
    const file = await open(temporary, 'w')
    try {
      await writeAll(file, header)
      for (const name of order) {
        const entry = byName.get(name)
        if (!entry) throw internal(`the header lists "${name}", which is not an entry`)
        await writeTensor(file, entry, options)
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    fsyncDirectory(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
