import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** A file of the demo: its path relative to `datasets/demo`, with `/`, and its bytes. */
export interface ShardFile {
  path: string
  bytes: Uint8Array
}

/** What differs between generated files and the ones in a folder: one line per file that is missing or has other bytes. */
export function differences(files: readonly ShardFile[], folder: string): string[] {
  return files.flatMap(({ path, bytes }) => {
    const target = join(folder, path)
    if (!existsSync(target)) return [`${path}: missing, ${bytes.byteLength} bytes expected`]
    const found = readFileSync(target)
    if (Buffer.compare(found, bytes) === 0) return []
    return [`${path}: ${found.byteLength} bytes differ from the ${bytes.byteLength} that the generator makes`]
  })
}
