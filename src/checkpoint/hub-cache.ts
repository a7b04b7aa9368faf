import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, statSync, symlinkSync } from 'node:fs'
import { copyFile, link, rm } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { writeFileAtomic } from '../util/atomic-file.js'
import { makeDirectories } from '../util/make-directories.js'
import { COMMIT_PATTERN, type HubAddress } from './hub-address.js'

/** One file of a repository at one commit. */
export interface HubFile {
  path: string
  byteLength: number
  /** The name of its content in `blobs/`: the SHA-256 of a large file, the git id of a small one. */
  blobId: string
}

/**
 * One repository in the cache directory of Python's huggingface_hub: what one of the two downloads the other finds.
 *
 *     models--owner--name/refs/main               the commit that a branch or tag pointed to
 *                         blobs/<sha256 | git id> contents, named by their hash
 *                         snapshots/<commit>/...  links to blobs under the file names of one commit
 *                         trees/<commit>.json     the listing of one commit (huggingface_hub >= 2)
 */
export interface RepoCache {
  directory: string
  /** `.locks/<repository>` of the cache directory. */
  locks: string
}

export function repoCache(cacheDir: string, { repoType, repo }: HubAddress): RepoCache {
  const folder = [`${repoType}s`, ...repo.split('/')].join('--')
  return { directory: join(cacheDir, folder), locks: join(cacheDir, '.locks', folder) }
}

/** The commit that a revision pointed to when it was last resolved, or null. */
export function readRef(cache: RepoCache, revision: string): string | null {
  if (COMMIT_PATTERN.test(revision)) return revision
  const path = join(cache.directory, 'refs', revision)
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return null
  const commit = readFileSync(path, 'utf8').trim()
  return COMMIT_PATTERN.test(commit) ? commit : null
}

/** Remembers where a revision points; nothing is written when it is a commit or unchanged. */
export function writeRef(cache: RepoCache, revision: string, commit: string): void {
  if (readRef(cache, revision) !== commit) writeFileAtomic(join(cache.directory, 'refs', revision), commit)
}

export function snapshotPath(cache: RepoCache, commit: string, path = ''): string {
  return join(cache.directory, 'snapshots', commit, path)
}

export function blobPath(cache: RepoCache, blobId: string): string {
  return join(cache.directory, 'blobs', blobId)
}

/** Whether a snapshot has this file whole (the link is followed; a file of another size does not count). */
export function hasSnapshotFile(cache: RepoCache, commit: string, file: HubFile): boolean {
  return isFileOfSize(snapshotPath(cache, commit, file.path), file.byteLength)
}

export function isFileOfSize(path: string, byteLength: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false })
  return found?.isFile() === true && found.size === byteLength
}

/** The files that a snapshot has now; what else its commit has is not known from it. */
export function snapshotFiles(cache: RepoCache, commit: string): HubFile[] {
  const root = snapshotPath(cache, commit)
  if (!existsSync(root)) return []
  const files: HubFile[] = []
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    const found = statSync(join(root, name), { throwIfNoEntry: false })
    if (!found?.isFile()) continue
    const blobId = basename(realpathSync(join(root, name)))
    files.push({ path: name.replaceAll('\\', '/'), byteLength: found.size, blobId })
  }
  return files
}

/**
 * Puts a blob under its file name into a snapshot: a relative link, so that the cache can be moved; on systems that
 * refuse symbolic links to users (Windows) a hard link, and across devices a copy.
 */
export async function linkSnapshotFile(cache: RepoCache, commit: string, file: HubFile): Promise<void> {
  const pointer = snapshotPath(cache, commit, file.path)
  const blob = blobPath(cache, file.blobId)
  if (hasSnapshotFile(cache, commit, file)) return
  makeDirectories(dirname(pointer))
  if (lstatSync(pointer, { throwIfNoEntry: false })) await rm(pointer)
  try {
    symlinkSync(relative(dirname(pointer), blob), pointer)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST') return // another process made the same link in between
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EINVAL') throw error
    await link(blob, pointer).catch(() => copyFile(blob, pointer))
  }
}
