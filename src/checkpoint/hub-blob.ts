import { createHash, type Hash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { type FileHandle, open, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fsyncDirectory } from '../util/atomic-file.js'
import { LabError } from '../util/errors.js'
import { formatBytes } from '../util/format.js'
import { makeDirectories } from '../util/make-directories.js'
import { TransientFault, withRetries } from '../util/retry.js'
import { type OpenedResponse, openResponse, readResponse } from '../util/retrying-fetch.js'
import { type HubAddress, resolveUrl } from './hub-address.js'
import { blobPath, type HubFile, repoCache } from './hub-cache.js'
import { authorization, type HubClient } from './hub-client.js'
import { hubRefusal } from './hub-errors.js'

/** One file to fetch: which repository, which commit, which entry of its listing. */
export interface BlobTask {
  address: HubAddress
  commit: string
  file: HubFile
}

/** An attempt that brought at least this much counts as progress, and the count of failures starts again. */
const PROGRESS_BYTES = 1 << 20

/** A strong etag of a response, the only kind that may join two parts of one file; null when there is none. */
export function strongEtag(response: Response): string | null {
  const etag = response.headers.get('etag')
  return etag?.startsWith('"') ? etag : null
}

/** `bytes 5-9/10` as [5, 10, 10]: start, end (exclusive), total; null when absent or malformed. */
export function parseContentRange(response: Response): [start: number, end: number, total: number] | null {
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(response.headers.get('content-range') ?? '')
  return match ? [Number(match[1]), Number(match[2]) + 1, Number(match[3])] : null
}

/**
 * The error for a content request that was refused. A refusal of the storage behind the hub is tried again: its signed
 * URLs expire, and the next attempt is redirected to a new one.
 */
export async function contentRefusal(
  client: HubClient,
  address: HubAddress,
  opened: OpenedResponse,
): Promise<LabError> {
  const { url, status } = opened.response
  if (new URL(url).origin === new URL(client.hubUrl).origin) {
    return hubRefusal(client, address, await readResponse(opened, 1_000_000))
  }
  opened.close()
  return new TransientFault(`HTTP status ${status} from the storage ${new URL(url).host}`)
}

/** The hash that the hub names a content by: SHA-256 for large files, the git blob id (SHA-1 with a header) for others. */
function contentHash({ blobId, byteLength }: HubFile): Hash {
  return blobId.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${byteLength}\0`)
}

/**
 * The file `<blob>.incomplete`, with the etag of the answer that its bytes came from beside it, and their running hash.
 * Left on disk when a download stops, so that the next one goes on from it.
 */
class PartialFile {
  length = 0
  etag: string | null = null
  #hash: Hash

  private constructor(
    readonly path: string,
    readonly file: HubFile,
    readonly handle: FileHandle,
  ) {
    this.#hash = contentHash(file)
  }

  static async open(path: string, file: HubFile): Promise<PartialFile> {
    makeDirectories(dirname(path))
    const etag = existsSync(`${path}.etag`) ? readFileSync(`${path}.etag`, 'utf8') : null
    const partial = new PartialFile(path, file, await open(path, existsSync(path) ? 'r+' : 'w+'))
    const { size } = await partial.handle.stat()
    if (etag === null || size > file.byteLength) await partial.restart(null)
    else await partial.#takeOver(etag)
    return partial
  }

  /** Reads what an earlier download left into the hash. */
  async #takeOver(etag: string): Promise<void> {
    this.etag = etag
    for await (const chunk of this.handle.createReadStream({ start: 0, autoClose: false })) {
      this.#hash.update(chunk as Uint8Array)
      this.length += (chunk as Uint8Array).byteLength
    }
  }

  /** Throws the bytes away; those that follow come from an answer with this etag. */
  async restart(etag: string | null): Promise<void> {
    await rm(`${this.path}.etag`, { force: true })
    await this.handle.truncate(0)
    if (etag !== null) await writeFile(`${this.path}.etag`, etag)
    this.length = 0
    this.etag = etag
    this.#hash = contentHash(this.file)
  }

  async append(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.byteLength; ) {
      const { bytesWritten } = await this.handle.write(chunk, done, chunk.byteLength - done, this.length + done)
      done += bytesWritten
    }
    this.#hash.update(chunk)
    this.length += chunk.byteLength
  }

  isRight(): boolean {
    return this.#hash.copy().digest('hex') === this.file.blobId
  }

  /** Gives the complete file its final name. */
  async commit(finalPath: string): Promise<void> {
    await this.handle.sync()
    await this.handle.close()
    await rename(this.path, finalPath)
    await rm(`${this.path}.etag`, { force: true })
    fsyncDirectory(dirname(finalPath))
  }
}

/**
 * Downloads one content into `blobs/`, going on from what an earlier attempt left, and checks its hash. The caller holds
 * the lock of the blob. Files come over plain HTTP, not over xet: HTTP answers ranges with etags, so any fault or
 * restart can go on from the bytes on disk, and @huggingface/hub's xet and cache downloads begin again from zero and do
 * not check hashes.
 * @throws LabError `HUB_HASH_MISMATCH` when the content is wrong twice; `RETRY_GAVE_UP`; refusals of the hub
 */
export async function downloadBlob(client: HubClient, task: BlobTask, onBytes: (done: number) => void): Promise<void> {
  const finalPath = blobPath(repoCache(client.cacheDir, task.address), task.file.blobId)
  const partial = await PartialFile.open(`${finalPath}.incomplete`, task.file)
  let mismatches = 0
  try {
    await withRetries(
      `download of ${task.file.path}`,
      async () => {
        await fetchRest(client, task, partial, onBytes)
        if (partial.isRight()) return
        await partial.restart(null)
        if (++mismatches > 1) throw mismatch(client, task)
        client.emit({ kind: 'restart', path: task.file.path, reason: 'the content does not have the listed hash' })
        throw new TransientFault('the content does not have the listed hash')
      },
      client.retryOptions,
    )
    await partial.commit(finalPath)
  } catch (error) {
    if (!(error instanceof LabError && error.code === 'RETRY_GAVE_UP')) throw error
    const kept = `${formatBytes(partial.length)} of ${formatBytes(task.file.byteLength)} are kept`
    throw new LabError(error.code, `${error.message}. ${kept}: run it again to go on from there.`, {
      cause: error.cause,
    })
  } finally {
    await partial.handle.close()
  }
}

function mismatch({ hubUrl }: HubClient, { address, file }: BlobTask): LabError {
  return new LabError(
    'HUB_HASH_MISMATCH',
    `${file.path} of ${address.repo} came twice with a hash other than the listed ${file.blobId}: something between ` +
      `this machine and ${hubUrl} changes the bytes (a proxy, a broken mirror). Nothing was kept; try another network.`,
  )
}

/** One attempt: asks for the bytes that are missing and appends them. */
async function fetchRest(
  client: HubClient,
  task: BlobTask,
  partial: PartialFile,
  onBytes: (done: number) => void,
): Promise<void> {
  const { byteLength, path } = task.file
  if (partial.etag !== null && partial.length === byteLength) return onBytes(byteLength)
  const url = resolveUrl(client.hubUrl, task.address, task.commit, path)
  const range = partial.etag !== null && partial.length > 0
  const headers = {
    'accept-encoding': 'identity', // offsets are counted in bytes of the file
    ...authorization(client, url),
    ...(range && { range: `bytes=${partial.length}-`, 'if-range': partial.etag! }),
  }
  const opened = await openResponse(url, { headers }, client.fetchOptions)
  const from = await beginBody(client, task, partial, opened, range).catch(error => {
    opened.close()
    throw error
  })
  try {
    for await (const chunk of opened.body()) {
      if (partial.length + chunk.byteLength > byteLength) throw await tooLong(partial, byteLength)
      await partial.append(chunk)
      onBytes(partial.length)
    }
    if (partial.length < byteLength)
      throw new TransientFault(`short body: ${partial.length} of ${byteLength} bytes came`)
  } catch (error) {
    if (!(error instanceof TransientFault) || partial.length - from < PROGRESS_BYTES) throw error
    throw new TransientFault(error.message, { progressed: true, cause: error })
  }
}

async function tooLong(partial: PartialFile, byteLength: number): Promise<TransientFault> {
  await partial.restart(null)
  return new TransientFault(`more than the listed ${byteLength} bytes came`)
}

/** Checks the head of an answer against what was asked, and returns the offset at which its body begins. */
async function beginBody(
  client: HubClient,
  { address, file }: BlobTask,
  partial: PartialFile,
  opened: OpenedResponse,
  range: boolean,
): Promise<number> {
  const { response } = opened
  const etag = strongEtag(response)
  const restart = async (reason: string) => {
    if (partial.length > 0) client.emit({ kind: 'restart', path: file.path, reason })
    await partial.restart(response.status === 200 ? etag : null)
  }
  if (response.status === 200) {
    await restart('the server sent the whole file: its etag changed, or it does not serve ranges')
    return 0
  }
  if (range && response.status === 206) {
    const [start, , total] = parseContentRange(response) ?? []
    if (start === partial.length && total === file.byteLength && (etag === null || etag === partial.etag)) {
      client.emit({ kind: 'resume', path: file.path, fromByte: start })
      return start
    }
    const got = `"${response.headers.get('content-range')}" with etag ${etag}`
    await restart(`asked for bytes ${partial.length}-/${file.byteLength} of ${partial.etag}, got ${got}`)
    throw new TransientFault(`wrong range: ${got}`)
  }
  if (response.status === 416) {
    await restart('the server has no bytes after those that were there')
    throw new TransientFault('HTTP status 416 for the rest of the file')
  }
  throw await contentRefusal(client, address, opened)
}
