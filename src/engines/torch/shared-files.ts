/**
 * Large tensors cross between the processes as files in memory (/dev/shm) where there is enough of it, else in the temporary
 * directory, which is also where they go when /dev/shm is full later.
 */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { LabError } from '../../util/errors.js'
import { formatBytes } from '../../util/format.js'
import type { BlobRef } from './frames.js'

/** Blobs from this size on cross as files. */
export const SHARED_BYTES = 1 << 20

/** Containers give /dev/shm 64 MB, which one embedding matrix fills. */
const ENOUGH_BYTES = 1 << 30

/** The files of one process. */
export class SharedFiles {
  /** Where the files may lie, nearest first; nobody else may look into them. */
  readonly directories = sharedRoots().map(root => mkdtempSync(join(root, `llama-pro-torch-${process.pid}-`)))
  #next = 0

  /** Writes a blob that the other side takes. @throws LabError ENGINE when there is no room for it */
  async put(bytes: Uint8Array): Promise<BlobRef> {
    const name = `request-${this.#next++}`
    for (const directory of this.directories) {
      const path = join(directory, name)
      if (await hasWritten(path, bytes)) return { bytes: bytes.length, path }
    }
    throw new LabError(
      'ENGINE',
      `no room for ${formatBytes(bytes.length)} in ${this.directories.map(path => dirname(path)).join(' or ')}: free some, or name a larger place in TMPDIR`,
    )
  }

  /** Reads a blob that the other side has put, and removes it. */
  async take({ bytes, path }: BlobRef & { path: string }): Promise<Uint8Array> {
    const data = new Uint8Array(bytes)
    const file = await open(path, 'r')
    try {
      for (let done = 0; done < bytes; ) {
        const { bytesRead } = await file.read(data, done, Math.min(bytes - done, 1 << 30))
        if (bytesRead === 0) throw new Error(`${path} ended at byte ${done}, expected ${bytes}`)
        done += bytesRead
      }
    } finally {
      await file.close()
    }
    await unlink(path)
    return data
  }

  dispose(): void {
    for (const directory of this.directories) rmSync(directory, { recursive: true, force: true })
  }
}

/** False, and nothing left of it, when the place is full. */
async function hasWritten(path: string, bytes: Uint8Array): Promise<boolean> {
  const file = await open(path, 'w', 0o600)
  try {
    for (let done = 0; done < bytes.length; )
      done += (await file.write(bytes, done, Math.min(bytes.length - done, 1 << 30))).bytesWritten
    return true
  } catch (error) {
    await unlink(path)
    if (!['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return false
  } finally {
    await file.close()
  }
}

function sharedRoots(): string[] {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    if (bavail * bsize >= ENOUGH_BYTES) return ['/dev/shm', tmpdir()]
  } catch {
    // only Linux has it
  }
  return [tmpdir()]
}
