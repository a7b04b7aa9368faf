/** Files as memory: the pages of a range of a file, read by the operating system when they are first touched. */
import { closeSync, fstatSync, openSync } from 'node:fs'
import koffi from 'koffi'
import { LabError } from '../../util/errors.js'

/** A mapped range. Do not touch `bytes` after `unmap`. */
export interface FileMap {
  readonly bytes: ArrayBuffer
  unmap(): void
}

/** C libraries with mmap, by platform. */
const libraries: Partial<Record<NodeJS.Platform, string>> = { linux: 'libc.so.6', darwin: '/usr/lib/libSystem.B.dylib' }

const READ_WRITE = 3
/** Changes stay in this process: the file is never written. */
const PRIVATE = 2
/** Offsets of mappings are multiples of this: the largest page size of the platforms we run on. */
const PAGE_BYTES = 65_536

interface Calls {
  mmap(address: null, length: number, protection: number, flags: number, fd: number, offset: number): bigint
  munmap(address: bigint, length: number): number
  /** Held, because koffi unloads a library that is garbage. */
  readonly library: unknown
}

let calls: Calls | null = null

function libc(): Calls {
  if (calls) return calls
  const library = koffi.load(libraries[process.platform]!)
  const mmap = library.func('mmap', 'void *', ['void *', 'size_t', 'int', 'int', 'int', 'int64_t'])
  const munmap = library.func('munmap', 'int', ['void *', 'size_t'])
  calls = { mmap, munmap, library } as unknown as Calls
  return calls
}

/** Whether this platform maps files; where it does not, weights are read into memory. */
export function canMapFiles(): boolean {
  return process.platform in libraries
}

/**
 * Maps `byteLength` bytes of a file from `byteOffset` on. The file may be removed or replaced under its name meanwhile; it
 * must not be cut short or overwritten in place.
 * @throws LabError TRUNCATED when the file is shorter, OUT_OF_MEMORY when there is no address space
 */
export function mapFile(path: string, byteOffset: number, byteLength: number): FileMap {
  const fd = openSync(path, 'r')
  try {
    const { size } = fstatSync(fd)
    if (size < byteOffset + byteLength)
      throw new LabError('TRUNCATED', `${path}: ended at byte ${size}, expected ${byteLength} bytes from ${byteOffset}`)
    const before = byteOffset % PAGE_BYTES
    const length = before + byteLength
    const { mmap, munmap } = libc()
    const address = mmap(null, length, READ_WRITE, PRIVATE, fd, byteOffset - before)
    if (BigInt.asIntN(64, address) === -1n)
      throw new LabError('OUT_OF_MEMORY', `${path}: ${length} bytes of the file cannot be mapped into memory`)
    const bytes = koffi.view(address + BigInt(before), byteLength)
    return { bytes, unmap: () => munmap(address, length) }
  } finally {
    closeSync(fd)
  }
}
