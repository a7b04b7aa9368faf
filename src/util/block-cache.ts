import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LabError } from './errors.js'
import { formatBytes } from './format.js'
import { makeDirectories } from './make-directories.js'

export interface BlockCacheOptions {
  directory: string
  /** Upper bound of the bytes on disk; the least recently used blocks go first. */
  limitBytes: number
  /** The largest block that will be put; `limitBytes` must hold two of them. */
  blockBytes: number
}

const DIGEST_BYTES = 32
const SUFFIX = '.block'

/**
 * Blocks of remote files on disk, one file each: the bytes and their SHA-256. Written under a temporary name and
 * renamed, so that a crash leaves no torn block; a block whose digest does not fit is dropped as if it had never been
 * there. Several processes may share a directory: each counts what it writes, and looks at the whole directory when it
 * has to evict.
 */
export class BlockCache {
  readonly #options: BlockCacheOptions
  #estimatedBytes: number | null = null

  /** @throws LabError `CACHE_LIMIT` when the limit cannot hold two blocks */
  constructor(options: BlockCacheOptions) {
    const { limitBytes, blockBytes, directory } = options
    if (limitBytes < 2 * (blockBytes + DIGEST_BYTES)) {
      throw new LabError(
        'CACHE_LIMIT',
        `the block cache ${directory} is limited to ${formatBytes(limitBytes)}, less than two blocks of ` +
          `${formatBytes(blockBytes)}: raise cacheBytes or lower blockBytes`,
      )
    }
    this.#options = options
  }

  /** The block of a key, or null. Reading a block makes it the most recently used. */
  async get(key: string): Promise<Uint8Array | null> {
    const path = this.#pathOf(key)
    const content = await readFile(path).catch(() => null)
    if (content === null) return null
    const block = content.subarray(0, Math.max(0, content.byteLength - DIGEST_BYTES))
    if (!digestOf(block).equals(content.subarray(block.byteLength))) {
      await rm(path, { force: true }).catch(() => null) // on a read-only disk it stays, and is no block the next time either
      return null
    }
    const now = new Date()
    await utimes(path, now, now).catch(() => null) // evicted by another process in between: the bytes are here
    return new Uint8Array(block)
  }

  /** @throws the error of the file system (a full or read-only disk); what was put before is whole */
  async put(key: string, block: Uint8Array): Promise<void> {
    const { directory, limitBytes } = this.#options
    makeDirectories(directory)
    this.#estimatedBytes ??= (await this.#entries()).reduce((sum, { byteLength }) => sum + byteLength, 0)
    this.#estimatedBytes += block.byteLength + DIGEST_BYTES
    if (this.#estimatedBytes > limitBytes) await this.#evictDownTo(limitBytes - block.byteLength - DIGEST_BYTES)
    const temporary = join(directory, `${randomUUID()}.tmp`)
    try {
      await writeFile(temporary, Buffer.concat([block, digestOf(block)]))
      await rename(temporary, this.#pathOf(key))
    } finally {
      await rm(temporary, { force: true })
    }
  }

  #pathOf(key: string): string {
    return join(this.#options.directory, `${key}${SUFFIX}`)
  }

  async #evictDownTo(targetBytes: number): Promise<void> {
    const oldestFirst = (await this.#entries()).sort((a, b) => a.usedMs - b.usedMs)
    let total = oldestFirst.reduce((sum, { byteLength }) => sum + byteLength, 0)
    for (const { path, byteLength } of oldestFirst) {
      if (total <= targetBytes) break
      await rm(path, { force: true })
      total -= byteLength
    }
    this.#estimatedBytes = total + (this.#options.limitBytes - targetBytes)
  }

  async #entries(): Promise<{ path: string; byteLength: number; usedMs: number }[]> {
    const entries = []
    for (const name of await readdir(this.#options.directory).catch(() => [])) {
      const path = join(this.#options.directory, name)
      const found = name.endsWith(SUFFIX) ? await stat(path).catch(() => null) : null
      if (found) entries.push({ path, byteLength: found.size, usedMs: found.mtimeMs })
    }
    return entries
  }
}

function digestOf(block: Uint8Array): Buffer {
  return createHash('sha256').update(block).digest()
}
