import { existsSync } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { LabError } from '../util/errors.js'
import { formatBytes } from '../util/format.js'
import { withPidLock } from '../util/pid-lock.js'
import { describeRepo, formatHubAddress, type HubAddress, toHubAddress } from './hub-address.js'
import { type BlobTask, downloadBlob } from './hub-blob.js'
import {
  blobPath,
  type HubFile,
  hasSnapshotFile,
  isFileOfSize,
  linkSnapshotFile,
  repoCache,
  snapshotPath,
} from './hub-cache.js'
import { type HubClient, type HubOptions, hubClient, notCached, resolveCommit } from './hub-client.js'
import { pickFile } from './hub-list.js'
import { filesIn, metadataFiles, noConfig, WEIGHT_INDEX, weightFiles } from './hub-model-files.js'
import { hubTree } from './hub-tree.js'

/** How far a download is; reported for every chunk, cached files included in the totals. */
export interface HubProgress {
  path: string
  fileBytes: number
  fileTotalBytes: number
  bytes: number
  totalBytes: number
}

export interface DownloadOptions extends HubOptions {
  onProgress?: (progress: HubProgress) => void
}

/** A model of the hub that lies complete in the cache. */
export interface ResolvedModel {
  /** The snapshot folder: a Hugging Face model directory. */
  directory: string
  /** The commit that the address meant. */
  commit: string
  /** The address with the commit as its revision, for provenance. */
  pinned: string
  files: HubFile[]
}

/** A model of the hub of which only the small files lie in the cache. */
export interface ModelMetadata {
  /** The snapshot folder. */
  directory: string
  commit: string
  /** The address with the commit as its revision. */
  pinned: string
  /** Configuration, tokenizer, index of the weights. */
  metadata: HubFile[]
  /** The weights, which need not be in the cache. */
  weights: HubFile[]
  /** Text of the index when the weights are sharded. */
  indexText: string | null
}

/**
 * Brings configuration, tokenizer and index of a model into the cache, and finds out which files its weights are in.
 * @throws LabError as {@link resolveModel}
 */
export async function resolveModelMetadata(
  where: string | HubAddress,
  options: HubOptions = {},
): Promise<ModelMetadata> {
  return (await metadataOf(where, options)).found
}

async function metadataOf(where: string | HubAddress, options: HubOptions) {
  const address = toHubAddress(where)
  if (address.repoType !== 'model') {
    throw new LabError('HUB_ADDRESS', `expected a model, got the ${describeRepo(address)}: leave out "datasets/"`)
  }
  const { commit, client } = await resolveCommit(hubClient(options), address)
  const tree = await hubTree(client, address, commit)
  const names = filesIn(tree, address.path)
  if (!names.has('config.json')) throw noConfig(address, tree)
  const metadata = metadataFiles(names)
  await downloadFiles(client, { address, commit, files: metadata })
  const index = metadata.includes(names.get(WEIGHT_INDEX)!) ? names.get(WEIGHT_INDEX)! : null
  const directory = snapshotPath(repoCache(client.cacheDir, address), commit, address.path)
  const indexText = index && (await readFile(join(directory, WEIGHT_INDEX), 'utf8'))
  const weights = weightFiles(address, names, indexText)
  const pinned = formatHubAddress({ ...address, revision: commit })
  const found: ModelMetadata = { directory, commit, pinned, metadata, weights, indexText }
  return { address, client, found }
}

/**
 * Brings the files that a model needs (configuration, tokenizer, safetensors weights) into the cache and returns the
 * directory of the resolved commit. What is there is not fetched again; what was begun is gone on with; every content is
 * checked against its hash. Never holds a whole file in memory; a file is seen under its name only when it is complete.
 * Files that Python's huggingface_hub has downloaded are found.
 * @throws LabError `HUB_ADDRESS`, `HUB_NOT_A_MODEL`, `HUB_OFFLINE`, `HUB_DISK_FULL`, `HUB_HASH_MISMATCH`,
 *   `RETRY_GAVE_UP`, and the refusals of the hub (`HUB_GATED`, ...); the signal's reason when aborted
 */
export async function resolveModel(where: string | HubAddress, options: DownloadOptions = {}): Promise<ResolvedModel> {
  const { address, client, found } = await metadataOf(where, options)
  const { directory, commit, pinned, metadata, weights } = found
  const files = [...metadata, ...weights]
  await downloadFiles(client, { address, commit, files }, options.onProgress)
  return { directory, commit, pinned, files }
}

/**
 * Brings one file into the cache and returns its path there.
 * @throws LabError as {@link resolveModel}, and `HUB_FILE_NOT_FOUND` with the nearest name
 */
export async function downloadHubFile(where: string | HubAddress, options: DownloadOptions = {}): Promise<string> {
  const address = toHubAddress(where)
  const { commit, client } = await resolveCommit(hubClient(options), address)
  const file = pickFile(address, await hubTree(client, address, commit))
  await downloadFiles(client, { address, commit, files: [file] }, options.onProgress)
  return snapshotPath(repoCache(client.cacheDir, address), commit, file.path)
}

interface Wanted {
  address: HubAddress
  commit: string
  files: HubFile[]
}

async function downloadFiles(
  client: HubClient,
  { address, commit, files }: Wanted,
  onProgress?: (progress: HubProgress) => void,
): Promise<void> {
  const cache = repoCache(client.cacheDir, address)
  const missing = files.filter(file => !hasSnapshotFile(cache, commit, file))
  const toFetch = missing.filter(file => !isFileOfSize(blobPath(cache, file.blobId), file.byteLength))
  if (client.offline && toFetch.length > 0) throw notCached(client, address, toFetch.map(({ path }) => path).join(', '))
  await requireDiskSpace(client.cacheDir, toFetch)
  const totalBytes = files.reduce((sum, file) => sum + file.byteLength, 0)
  let before = 0
  for (const file of files) {
    client.signal?.throwIfAborted()
    const report = (fileBytes: number) =>
      onProgress?.({
        path: file.path,
        fileBytes,
        fileTotalBytes: file.byteLength,
        bytes: before + fileBytes,
        totalBytes,
      })
    if (missing.includes(file)) {
      await ensureBlob(client, { address, commit, file }, report)
      await linkSnapshotFile(cache, commit, file)
    }
    report(file.byteLength)
    before += file.byteLength
  }
}

/** Fetches a content unless it is there, with the lock that keeps two processes from writing one partial file. */
async function ensureBlob(client: HubClient, task: BlobTask, report: (fileBytes: number) => void): Promise<void> {
  const { byteLength, blobId, path } = task.file
  const cache = repoCache(client.cacheDir, task.address)
  const isThere = () => isFileOfSize(blobPath(cache, blobId), byteLength)
  if (isThere()) return
  const fetchUnlessThere = async () => {
    if (!isThere()) await downloadBlob(client, task, report)
  }
  await withPidLock(join(cache.locks, `${blobId}.pid`), fetchUnlessThere, {
    signal: client.signal,
    onWait: holder => client.emit({ kind: 'wait', path, pid: holder?.pid ?? null }),
  })
}

async function requireDiskSpace(cacheDir: string, toFetch: HubFile[]): Promise<void> {
  const needed = toFetch.reduce((sum, file) => sum + file.byteLength, 0)
  let existing = cacheDir
  while (!existsSync(existing)) existing = dirname(existing)
  const { bavail, bsize } = await statfs(existing)
  if (needed <= bavail * bsize) return
  throw new LabError(
    'HUB_DISK_FULL',
    `${formatBytes(needed)} have to be downloaded and ${cacheDir} has ${formatBytes(bavail * bsize)} free: make room, or ` +
      'set HF_HUB_CACHE to a directory on a larger disk',
  )
}
