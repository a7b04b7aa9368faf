import type { ByteSource } from '../util/byte-source.js'
import { openLocalFile } from '../util/byte-source.js'
import { sha256 } from '../util/canonical-json.js'
import { LabError } from '../util/errors.js'
import { findFiles, resolvePath } from './glob.js'
import { DATA_FORMATS, type DataFormat, type DatasetManifest } from './manifest.js'

/** A request that failed and is tried again. */
export interface RetryEvent {
  path: string
  attempt: number
  message: string
  waitMs: number
}

/** Access to `hf://` files. The implementation pins revisions and does its own retries. */
export interface RemoteFiles {
  /** The files that match an `hf://datasets/owner/name[@revision]/glob` pattern; their paths carry the commit that the revision stands for. */
  list(pattern: string): Promise<{ path: string; byteLength: number }[]>
  open(path: string, options?: { onRetry?: (event: RetryEvent) => void }): Promise<ByteSource>
}

/** One shard of a dataset. */
export interface DatasetFile {
  path: string
  byteLength: number
  format: DataFormat
}

/** A manifest tied to files that exist, with the hash that identifies it in run states. */
export interface Dataset {
  name: string
  /** SHA-256 over everything that determines the documents and their order: name, text field, filters, and path, size and format of every file. */
  hash: string
  files: DatasetFile[]
  textField: string
  filters: DatasetManifest['filters']
  open(fileIndex: number, onRetry?: (event: RetryEvent) => void): Promise<ByteSource>
}

/**
 * Finds the files of a manifest. They are sorted by path and listed once; relative paths stay relative in the hash,
 * so that a dataset may move as a whole.
 * @throws LabError `DATASET_EMPTY` for a pattern that matches nothing, `DATASET_FORMAT` for a name that tells no format, `DATASET_REMOTE`
 *   for `hf://` files without `remote`
 */
export async function resolveDataset(
  manifest: DatasetManifest,
  { remote }: { remote?: RemoteFiles } = {},
): Promise<Dataset> {
  const byPath = new Map<string, DatasetFile>()
  for (const pattern of manifest.files) {
    const found = await listFiles(manifest, pattern, remote)
    if (found.length === 0)
      throw new LabError(
        'DATASET_EMPTY',
        `dataset ${manifest.name}: no file matches "${pattern}"${isRemote(pattern) ? '' : ` (relative paths start from ${manifest.baseDir})`}`,
      )
    for (const { path, byteLength } of found)
      byPath.set(path, { path, byteLength, format: manifest.format ?? formatOf(manifest.name, path) })
  }
  const files = [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  const { name, textField, filters, baseDir } = manifest
  return {
    name,
    hash: sha256({ name, textField, filters, files }),
    files,
    textField,
    filters,
    open: (index, onRetry) => {
      const { path } = files[index]!
      if (!isRemote(path)) return openLocalFile(resolvePath(baseDir, path))
      return remote!.open(path, onRetry ? { onRetry } : {})
    },
  }
}

function isRemote(path: string): boolean {
  return path.startsWith('hf://')
}

function listFiles(manifest: DatasetManifest, pattern: string, remote: RemoteFiles | undefined) {
  if (!isRemote(pattern)) return findFiles(pattern, manifest.baseDir)
  if (remote) return remote.list(pattern)
  const access = manifest.gated ? ` Access: ${manifest.gated}` : ''
  throw new LabError(
    'DATASET_REMOTE',
    `dataset ${manifest.name}: "${pattern}" needs a Hugging Face client, none was given.${access}`,
  )
}

function formatOf(name: string, path: string): DataFormat {
  // the longest ending wins, so that .jsonl.gz is not taken for something else
  const format = [...DATA_FORMATS]
    .sort((a, b) => b.length - a.length)
    .find(ending => path.toLowerCase().endsWith(`.${ending}`))
  if (format) return format
  throw new LabError(
    'DATASET_FORMAT',
    `dataset ${name}: the name of ${path} tells no format; expected it to end in ${DATA_FORMATS.map(f => `.${f}`).join(', ')}, or "format" in the manifest`,
  )
}
