import type { FileHandle } from 'node:fs/promises'

/** Node reads at most 2^31 - 1 bytes at once. */
const MAX_READ_BYTES = 2 ** 30

/**
 * Fills `target` from byte `position` of a file.
 * @returns how many bytes there were: fewer than `target` holds when the file ends early
 */
export async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let done = 0
  while (done < target.byteLength) {
    const length = Math.min(target.byteLength - done, MAX_READ_BYTES)
    const { bytesRead } = await file.read(target, done, length, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}
