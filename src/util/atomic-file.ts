import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { unfinishedName } from './leftovers.js'
import { makeDirectories } from './make-directories.js'

/** Flushes a directory entry to disk (a no-op on systems where directories cannot be opened). */
export function fsyncDirectory(path: string): void {
  try {
    const fd = openSync(path, 'r')
    fsyncSync(fd)
    closeSync(fd)
  } catch {
    // Windows refuses to open directories; the rename itself is still atomic there
  }
}

/** Writes a whole file so that a reader (or a crash) sees the old content or the new, never a part: temp name, fsync, rename. */
export function writeFileAtomic(path: string, content: string | Uint8Array): void {
  makeDirectories(dirname(path))
  const temporary = unfinishedName(path, 'tmp')
  const fd = openSync(temporary, 'w')
  try {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
    let done = 0
    while (done < bytes.byteLength) done += writeSync(fd, bytes, done)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
  renameSync(temporary, path)
  fsyncDirectory(dirname(path))
}
