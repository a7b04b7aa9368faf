import { open } from 'node:fs/promises'
import { BlockCache } from '../util/block-cache.js'
import type { ByteSource } from '../util/byte-source.js'
import { LabError, messageOf } from '../util/errors.js'
import { readFully } from '../util/read-fully.js'
import { TransientFault, withRetries } from '../util/retry.js'
import { openResponse, readBody } from '../util/retrying-fetch.js'
import { formatHubAddress, type HubAddress, resolveUrl, toHubAddress } from './hub-address.js'
import { contentRefusal, parseContentRange, strongEtag } from './hub-blob.js'
import { blobPath, type HubFile, isFileOfSize, repoCache, snapshotPath } from './hub-cache.js'
import { authorization, type HubClient, type HubOptions, hubClient, notCached, resolveCommit } from './hub-client.js'
import { blockCacheDirectory } from './hub-environment.js'
import { pickFile } from './hub-list.js'
import { hubTree } from './hub-tree.js'

export interface HubByteSourceOptions extends HubOptions {
  /** Bytes of one request and of one cached block (default 8 MiB). */
  blockBytes?: number
  /** Limit of the block cache on disk (default 4 GB). */
  cacheBytes?: number
  /** Directory of the block cache (default `llama-pro-lab/blocks` in the user's cache directory). */
  blockCacheDir?: string
}

/** One file of the hub, readable in any order without downloading it whole. */
export interface HubByteSource extends ByteSource {
  /** The address with the commit as its revision. */
  readonly path: string
  readonly commit: string
  readonly file: HubFile
  /** The bytes `start <= i < end` by a request for them alone, past the block cache: for the head of a large file. */
  range(start: number, end: number): Promise<Uint8Array>
}

/**
 * Opens one file of the hub for reading by ranges. Blocks come from, in this order: the hub cache when the file lies
 * there whole; the block cache on disk; a range request with retries. The listing tells the size, so opening makes no
 * request for the file itself. The hash of a file that is not read whole cannot be checked; its length and etag are.
 * @throws LabError `HUB_FILE_NOT_FOUND`, `HUB_OFFLINE`, `CACHE_LIMIT`, and the refusals of the hub
 */
export async function openHubByteSource(
  where: string | HubAddress,
  options: HubByteSourceOptions = {},
): Promise<HubByteSource> {
  const { blockBytes = 8 << 20, cacheBytes = 4e9, blockCacheDir = blockCacheDirectory(options.env) } = options
  const address = toHubAddress(where)
  const blocks = new BlockCache({ directory: blockCacheDir, limitBytes: cacheBytes, blockBytes })
  const { commit, client } = await resolveCommit(hubClient(options), address)
  const file = pickFile(address, await hubTree(client, address, commit))
  const cache = repoCache(client.cacheDir, address)
  const whole = [snapshotPath(cache, commit, file.path), blobPath(cache, file.blobId)]
  const local = whole.find(path => isFileOfSize(path, file.byteLength))
  const remote = { client, address, commit, file, blockBytes, blocks }
  const readBlock = local === undefined ? remoteReader(remote) : localReader(local, file, blockBytes)
  const pinned = formatHubAddress({ ...address, revision: commit })
  const { slice, stream } = blockwise(file, blockBytes, readBlock)
  const fetchRange = rangeFetcher(remote)
  const range: HubByteSource['range'] = async (start, end) =>
    local !== undefined || start === end ? slice(start, end) : fetchRange(start, end)
  return { path: pinned, byteLength: file.byteLength, commit, file, slice, stream, range }
}

type ReadBlock = (index: number) => Promise<Uint8Array>

interface Remote {
  client: HubClient
  address: HubAddress
  commit: string
  file: HubFile
  blockBytes: number
  blocks: BlockCache
}

/** `slice` and `stream` over a reader of whole blocks. */
function blockwise(
  { path, byteLength }: HubFile,
  blockBytes: number,
  read: ReadBlock,
): Pick<ByteSource, 'slice' | 'stream'> {
  const blockCount = Math.ceil(byteLength / blockBytes)
  return {
    async slice(start, end) {
      if (!(Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end && end <= byteLength)) {
        throw new LabError('BYTE_RANGE', `${path} has ${byteLength} bytes; bytes [${start}, ${end}) were asked for`)
      }
      const result = new Uint8Array(end - start)
      for (let index = Math.floor(start / blockBytes); index * blockBytes < end; index++) {
        const offset = index * blockBytes
        const block = await read(index)
        const part = block.subarray(Math.max(0, start - offset), Math.min(block.byteLength, end - offset))
        result.set(part, Math.max(0, offset - start))
      }
      return result
    },
    async *stream(start = 0) {
      if (!(Number.isInteger(start) && 0 <= start && start <= byteLength)) {
        throw new LabError('BYTE_RANGE', `${path} has ${byteLength} bytes; a stream from byte ${start} was asked for`)
      }
      if (start === byteLength) return
      let index = Math.floor(start / blockBytes)
      let next = index < blockCount ? read(index) : null
      while (next !== null) {
        const block = await next
        const offset = index * blockBytes
        index++
        next = index < blockCount ? read(index) : null // one block ahead of the consumer
        next?.catch(() => {}) // a fault is thrown when the block is awaited, or not at all when the consumer has left
        yield start > offset ? block.subarray(start - offset) : block
      }
    },
  }
}

function localReader(path: string, { byteLength }: HubFile, blockBytes: number): ReadBlock {
  return async index => {
    const block = new Uint8Array(Math.min(blockBytes, byteLength - index * blockBytes))
    const handle = await open(path, 'r')
    try {
      const done = await readFully(handle, block, index * blockBytes)
      if (done < block.byteLength)
        throw new LabError('BYTE_RANGE', `${path} ends at ${index * blockBytes + done}, expected ${byteLength} bytes`)
    } finally {
      await handle.close()
    }
    return block
  }
}

/**
 * Reads blocks through the disk cache; a block that two callers want at the same time is requested once. A cache that
 * cannot be written costs a request the next time, not the block.
 */
function remoteReader(remote: Remote): ReadBlock {
  const { client, file, blockBytes, blocks } = remote
  let isTold = false
  const tellOnce = (error: unknown) => {
    if (!isTold) client.emit({ kind: 'uncached', path: file.path, reason: messageOf(error) })
    isTold = true
  }
  const pending = new Map<number, Promise<Uint8Array>>()
  const fetchBlock = rangeFetcher(remote)
  const load = async (index: number) => {
    const key = `${file.blobId}-${blockBytes}-${index}`
    const start = index * blockBytes
    const length = Math.min(blockBytes, file.byteLength - start)
    const cached = await blocks.get(key)
    if (cached?.byteLength === length) return cached
    const block = await fetchBlock(start, start + length)
    await blocks.put(key, block).catch(tellOnce)
    return block
  }
  return index => {
    const running = pending.get(index) ?? load(index).finally(() => pending.delete(index))
    pending.set(index, running)
    return running
  }
}

function rangeFetcher({ client, address, commit, file, blockBytes }: Remote) {
  const url = resolveUrl(client.hubUrl, address, commit, file.path)
  let etag: string | null = null // of the first answer; all blocks must come from the same content
  const attempt = async (start: number, end: number) => {
    const headers = {
      'accept-encoding': 'identity', // offsets are counted in bytes of the file
      range: `bytes=${start}-${end - 1}`,
      ...authorization(client, url),
    }
    const opened = await openResponse(url, { headers }, client.fetchOptions)
    try {
      const { response } = opened
      if (!response.ok) throw await contentRefusal(client, address, opened)
      requireRange(response, { start, end, file, blockBytes })
      const got = strongEtag(response)
      if (etag !== null && got !== null && got !== etag) throw changed(file, etag, got)
      etag ??= got
      const block = await readBody(opened, end - start)
      if (block.byteLength === end - start) return block
      throw new TransientFault(`short body: ${block.byteLength} of ${end - start} bytes came`)
    } finally {
      opened.close()
    }
  }
  return (start: number, end: number): Promise<Uint8Array> => {
    if (client.offline) throw notCached(client, address, `bytes ${start}-${end} of ${file.path}`)
    return withRetries(`bytes ${start}-${end} of ${file.path}`, () => attempt(start, end), client.retryOptions)
  }
}

interface Asked {
  start: number
  end: number
  file: HubFile
  blockBytes: number
}

/** A 206 must be the range that was asked for; a 200 is taken only when the range was the whole small file. */
function requireRange(response: Response, { start, end, file, blockBytes }: Asked): void {
  if (response.status === 200) {
    if (start === 0 && end === file.byteLength) return
    throw new LabError(
      'HUB_NO_RANGES',
      `${new URL(response.url).origin} does not serve ranges: it sent all ${file.byteLength} bytes of ${file.path} for a ` +
        `block of ${blockBytes}. Download the file whole instead.`,
    )
  }
  const [gotStart, gotEnd, total] = parseContentRange(response) ?? []
  if (gotStart === start && gotEnd === end && total === file.byteLength) return
  const got = response.headers.get('content-range')
  throw new TransientFault(`wrong range: asked for bytes ${start}-${end - 1}/${file.byteLength}, got "${got}"`)
}

function changed(file: HubFile, before: string, after: string): LabError {
  return new LabError(
    'HUB_CHANGED',
    `${file.path} changed while it was read (etag ${before}, then ${after}), though its commit is fixed: a broken mirror?`,
  )
}
