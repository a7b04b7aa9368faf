/** Large tensors cross between the processes as files in memory (/dev/shm) where there is enough of it, else in the temporary directory. */
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BlobRef } from './frames.js'

/** Blobs from this size on cross as files. */
export const SHARED_BYTES = 1 << 20

/** Containers give /dev/shm 64 MB, which one embedding matrix fills. */
const ENOUGH_BYTES = 1 << 30

/** The files of one process. */
export class SharedFiles {
  readonly directory = mkdtempSync(join(sharedRoot(), `llama-pro-torch-${process.pid}-`))
  #next = 0

  /** Writes a blob that the other side takes. */
  async put(bytes: Uint8Array): Promise<BlobRef> {
    const path = join(this.directory, `request-${this.#next++}`)
    const file = await open(path, 'wx', 0o600)
    try {
      for (let done = 0; done < bytes.length; )
        done += (await file.write(bytes, done, Math.min(bytes.length - done, 1 << 30))).bytesWritten
    } finally {
      await file.close()
    }
    return { bytes: bytes.length, path }
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
    rmSync(this.directory, { recursive: true, force: true })
  }
}

function sharedRoot(): string {
  try {
    const { bavail, bsize } = statfsSync('/dev/shm')
    if (bavail * bsize >= ENOUGH_BYTES) return '/dev/shm'
  } catch {
    // only Linux has it
  }
  return tmpdir()
}
