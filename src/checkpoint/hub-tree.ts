import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ListFileEntry, listFiles } from '@huggingface/hub'
import { writeFileAtomic } from '../util/atomic-file.js'
import { LabError } from '../util/errors.js'
import { type HubAddress, isSafeRepoPath } from './hub-address.js'
import { type HubFile, type RepoCache, repoCache, snapshotFiles } from './hub-cache.js'
import { cachedOnly, type HubClient, hubFetch, notCached } from './hub-client.js'

interface TreeEntry {
  size: number
  blob_id: string
  lfs_sha256?: string
  lfs_size?: number
  xet_hash?: string
}

function treePath(cache: RepoCache, commit: string): string {
  return join(cache.directory, 'trees', `${commit}.json`)
}

/** The cached listing of a commit, or null when there is none of the known format. */
export function readTree(cache: RepoCache, commit: string): HubFile[] | null {
  const path = treePath(cache, commit)
  if (!existsSync(path)) return null
  let parsed: { format_version?: unknown; files?: Record<string, TreeEntry> }
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    return null // torn by another writer: the listing is asked for again
  }
  if (parsed?.format_version !== 1 || !parsed.files) return null
  const files = Object.entries(parsed.files).map(([name, entry]) => ({
    path: name,
    byteLength: entry.lfs_size ?? entry.size,
    blobId: entry.lfs_sha256 ?? entry.blob_id,
  }))
  return files.every(isUsable) ? files : null
}

/** Whether a listed file may be used to make paths on this machine. */
function isUsable({ path, byteLength, blobId }: HubFile): boolean {
  const validId = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(blobId)
  return isSafeRepoPath(path) && Number.isSafeInteger(byteLength) && byteLength >= 0 && validId
}

function toHubFile({ path, size, oid = '', lfs }: ListFileEntry): HubFile {
  return { path, byteLength: lfs?.size ?? size, blobId: lfs?.oid ?? oid }
}

/** Keeps the listing of a commit, which never changes, in the form that huggingface_hub reads and writes. */
function writeTree(cache: RepoCache, commit: string, listed: ListFileEntry[]): void {
  const files: Record<string, TreeEntry> = {}
  for (const { path, size, oid = '', lfs, xetHash } of listed) {
    files[path] = {
      size,
      blob_id: oid,
      ...(lfs && { lfs_sha256: lfs.oid, lfs_size: lfs.size }),
      ...(xetHash !== undefined && { xet_hash: xetHash }),
    }
  }
  writeFileAtomic(treePath(cache, commit), JSON.stringify({ format_version: 1, files }, null, 2))
}

/**
 * The files of a repository at one commit: the cached listing, or else the hub's (then cached for good). Without the hub
 * and without a cached listing, the files that the snapshot happens to have.
 * @throws LabError `HUB_LISTING` when the hub lists a file whose path, size or hash cannot be right, `HUB_OFFLINE`
 */
export async function hubTree(client: HubClient, address: HubAddress, commit: string): Promise<HubFile[]> {
  const cache = repoCache(client.cacheDir, address)
  const cached = readTree(cache, commit)
  if (cached) return cached
  if (client.offline) return snapshotOf(client, address, commit)
  try {
    const listed = await askTree(client, address, commit)
    writeTree(cache, commit, listed)
    return listed.map(toHubFile)
  } catch (error) {
    return snapshotOf(cachedOnly(client, error), address, commit)
  }
}

async function askTree(client: HubClient, address: HubAddress, commit: string): Promise<ListFileEntry[]> {
  const request = { repo: { type: address.repoType, name: address.repo }, revision: commit, recursive: true }
  const listed: ListFileEntry[] = []
  for await (const entry of listFiles({ ...request, hubUrl: client.hubUrl, fetch: hubFetch(client, address) })) {
    if (entry.type !== 'file') continue
    if (!isUsable(toHubFile(entry))) {
      throw new LabError('HUB_LISTING', `${client.hubUrl} lists an impossible file: ${JSON.stringify(entry)}`)
    }
    listed.push(entry)
  }
  return listed
}

function snapshotOf(client: HubClient, address: HubAddress, commit: string): HubFile[] {
  const files = snapshotFiles(repoCache(client.cacheDir, address), commit)
  if (files.length === 0) throw notCached(client, address, `the commit ${commit}`)
  return files
}
