import { statSync } from 'node:fs'
import type { ByteSource } from '../util/byte-source.js'
import { openLocalFile } from '../util/byte-source.js'
import { sha256 } from '../util/canonical-json.js'
import { LabError, messageOf } from '../util/errors.js'
import { findFiles, resolvePath } from './glob.js'
import { hubFiles, type OpenOptions, type RemoteFiles } from './hub-files.js'
import { DATA_FORMATS, type DataFormat, type DatasetManifest } from './manifest.js'
import { sampleHash } from './sample-hash.js'

/** One shard of a dataset. */
export interface DatasetFile {
  path: string
  byteLength: number
  format: DataFormat
}

/** A manifest tied to files that exist, with the hash that identifies it in run states. */
export interface Dataset {
  name: string
  /**
   * SHA-256 over everything that determines the documents and their order: name, text field, filters, and path (as the
   * manifest writes it), size and format of every file. Where the manifest lies is not in it.
   */
  hash: string
  files: DatasetFile[]
  textField: string
  filters: DatasetManifest['filters']
  open(fileIndex: number, options?: OpenOptions): Promise<ByteSource>
  /**
   * SHA-256 over samples ({@link sampleHash}) of the local files; those of the hub are pinned by their commit. It is not in `hash`,
   * so that the order does not depend on it.
   */
  sampleLocalFiles(): Promise<string>
}

/**
 * Finds the files of a manifest. They are sorted by path and listed once; relative paths stay relative in the hash,
 * so that a dataset may move as a whole.
 * @throws LabError `DATASET_EMPTY` for a pattern that matches nothing, `DATASET_FORMAT` for a name that tells no format,
 *   `DATASET_ACCESS` for gated data that the hub refuses, and the errors of the hub
 */
export async function resolveDataset(
  manifest: DatasetManifest,
  { remote = hubFiles() }: { remote?: RemoteFiles } = {},
): Promise<Dataset> {
  const byPath = new Map<string, DatasetFile>()
  for (const pattern of manifest.files) {
    const found = await listFiles(manifest, pattern, remote)
    if (found.length === 0) throw nothingMatches(manifest, pattern)
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
    open: (index, options) => {
      const { path } = files[index]!
      if (!isRemote(path)) return openLocalFile(resolvePath(baseDir, path))
      return remote.open(path, options)
    },
    sampleLocalFiles: async () => {
      const samples: string[] = []
      // one after the other: a dataset may have thousands of files
      for (const { path } of files)
        if (!isRemote(path)) samples.push(await sampleHash(await openLocalFile(resolvePath(baseDir, path))))
      return sha256(samples)
    },
  }
}

function nothingMatches({ name, baseDir }: DatasetManifest, pattern: string): LabError {
  const where = isRemote(pattern) ? '' : ` (relative paths start from ${baseDir})`
  const isFolder =
    !isRemote(pattern) && statSync(resolvePath(baseDir, pattern), { throwIfNoEntry: false })?.isDirectory()
  const hint = isFolder ? `; that is a folder: name the files in it, such as ${pattern}/*.jsonl` : ''
  return new LabError('DATASET_EMPTY', `dataset ${name}: no file matches "${pattern}"${where}${hint}`)
}

function isRemote(path: string): boolean {
  return path.startsWith('hf://')
}

async function listFiles(manifest: DatasetManifest, pattern: string, remote: RemoteFiles) {
  if (!isRemote(pattern)) return findFiles(pattern, manifest.baseDir)
  try {
    return await remote.list(pattern)
  } catch (error) {
    if (!manifest.gated) throw error
    const message = `dataset ${manifest.name}: ${messageOf(error)} This dataset is behind terms: ${manifest.gated}`
    throw new LabError('DATASET_ACCESS', message, { cause: error })
  }
}

/** File name endings by format; `text` is one document a file. */
const ENDINGS: Record<DataFormat, string> = {
  parquet: '.parquet',
  jsonl: '.jsonl',
  'jsonl.gz': '.jsonl.gz',
  'jsonl.zst': '.jsonl.zst',
  text: '.txt',
}

function formatOf(name: string, path: string): DataFormat {
  const format = DATA_FORMATS.find(format => path.toLowerCase().endsWith(ENDINGS[format]))
  if (format) return format
  throw new LabError(
    'DATASET_FORMAT',
    `dataset ${name}: the name of ${path} tells no format; expected it to end in ${Object.values(ENDINGS).join(', ')}, or "format" in the manifest`,
  )
}
