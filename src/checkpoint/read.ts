import { type FileHandle, open } from 'node:fs/promises'
import { LabError, messageOf } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'
import { readFully } from '../util/read-fully.js'
import { toFloat32 } from './convert.js'
import { headerLength, parseHeader } from './header.js'
import type { TensorSource } from './tensor-source.js'

/** A safetensors file of which only the header was read. */
export interface SafetensorsFile {
  path: string
  /** By name, in the order of the header. */
  tensors: Map<string, TensorSource>
  metadata: Record<string, string>
  fileBytes: number
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    throw new LabError('FILE_READ', `cannot open ${path}: ${messageOf(error)}.`, { cause: error })
  }
}

/** Fills `target` from `position`; a file that ends early is an error. */
async function readAll(file: FileHandle, target: Uint8Array, position: number, path: string): Promise<void> {
  const done = await readFully(file, target, position)
  if (done === target.byteLength) return
  throw new LabError(
    'SAFETENSORS_TRUNCATED',
    `${path}: expected ${target.byteLength} bytes at ${position}, the file ends after ${done} of them.`,
  )
}

/** Reads the bytes `start <= i < end` of a file. */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array>

/**
 * Reads and checks the header of a safetensors file wherever it lies: two small reads, none of the data.
 *
 * @param path how the file is named in errors and in its tensors
 * @throws LabError SAFETENSORS_ + the rule that the file breaks (see {@link parseHeader}), and what `read` throws
 */
export async function readHeader(path: string, fileBytes: number, read: ReadRange): Promise<SafetensorsFile> {
  const prefix = await read(0, Math.min(8, fileBytes))
  const json = await read(8, 8 + headerLength(prefix, fileBytes, path))
  const { tensors, metadata, dataOffset } = parseHeader(json, fileBytes, path)
  const sources = [...tensors].map(([name, { dtype, shape, begin, end }]): [string, TensorSource] => [
    name,
    { path, byteOffset: dataOffset + begin, byteLength: end - begin, dtype, shape },
  ])
  return { path, tensors: new Map(sources), metadata, fileBytes }
}

/**
 * {@link readHeader} of a local file.
 *
 * @throws LabError FILE_READ, or SAFETENSORS_ + the rule that the file breaks
 */
export async function readSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await openForReading(path)
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw new LabError('FILE_READ', `${path} is not a file; expected a .safetensors file.`)
    return await readHeader(path, stat.size, async (start, end) => {
      const bytes = new Uint8Array(end - start)
      await readAll(file, bytes, start, path)
      return bytes
    })
  } finally {
    await file.close()
  }
}

/**
 * The place of one tensor of a file.
 *
 * @throws LabError TENSOR_MISSING with the nearest name
 */
export function tensorSource(file: SafetensorsFile, name: string): TensorSource {
  const source = file.tensors.get(name)
  if (source) return source
  throw new LabError('TENSOR_MISSING', `${file.path} has no tensor "${name}".${didYouMean(name, file.tensors.keys())}`)
}

/** Reads the bytes of one tensor into a new, aligned array. */
export async function readTensor(source: TensorSource): Promise<Uint8Array> {
  const file = await openForReading(source.path)
  try {
    const bytes = new Uint8Array(source.byteLength)
    await readAll(file, bytes, source.byteOffset, source.path)
    return bytes
  } finally {
    await file.close()
  }
}

/** Reads one F32, F16 or BF16 tensor as float32 values. */
export async function readFloat32(source: TensorSource): Promise<Float32Array> {
  return toFloat32(await readTensor(source), source.dtype)
}

/**
 * The bytes of a tensor in pieces of at most `chunkBytes` (default 8 MiB).
 * Every piece is a view of one buffer that the next piece overwrites: use it before asking for the next.
 */
export async function* readChunks(source: TensorSource, chunkBytes = 8 * 2 ** 20): AsyncGenerator<Uint8Array> {
  const file = await openForReading(source.path)
  try {
    const buffer = new Uint8Array(Math.min(chunkBytes, source.byteLength))
    for (let done = 0; done < source.byteLength; done += buffer.byteLength) {
      const chunk = buffer.subarray(0, Math.min(buffer.byteLength, source.byteLength - done))
      await readAll(file, chunk, source.byteOffset + done, source.path)
      yield chunk
    }
  } finally {
    await file.close()
  }
}

/** Whether two tensors hold the same bytes; reads both in pieces and stops at the first difference. */
export async function sameBytes(a: TensorSource, b: TensorSource): Promise<boolean> {
  if (a.byteLength !== b.byteLength) return false
  const others = readChunks(b)
  try {
    for await (const chunk of readChunks(a)) {
      const { value } = await others.next()
      if (!value || Buffer.compare(chunk, value) !== 0) return false
    }
    return true
  } finally {
    await others.return(undefined)
  }
}
