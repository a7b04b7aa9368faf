import { extname, resolve } from 'node:path'
import { type Dataset, resolveDataset } from '../data/dataset.js'
import { fixedSegments } from '../data/glob.js'
import { hubFiles, type RemoteFiles } from '../data/hub-files.js'
import { loadManifest, parseManifest } from '../data/manifest.js'
import { LabError } from '../util/errors.js'

/** Name and part of a dataset are told by a manifest, and a data file has no parts. */
export interface OpenDatasetOptions {
  /** Name of a dataset that is a data file (default: {@link dataFileName}). */
  name?: string
  subset?: string
  /** Reads `hf://` addresses (default: the hub). */
  remote?: RemoteFiles
}

/**
 * A dataset by the path of its manifest (`.yaml`, `.yml`, `.json`), or by a data file or glob (jsonl, jsonl.gz, jsonl.zst,
 * parquet, txt; `hf://` too), whose text is then looked for in `content` (parquet) or `text`. The order of its documents
 * follows from the names of its files and not from the folder that they lie in, so that it may move.
 * @throws LabError `MANIFEST` for a subset of a data file, and those of {@link loadManifest} and {@link resolveDataset}
 */
export async function openDataset(
  path: string,
  { name, subset, remote = hubFiles() }: OpenDatasetOptions = {},
): Promise<Dataset> {
  if (isManifest(path))
    return resolveDataset(await loadManifest(path, subset === undefined ? {} : { subset }), { remote })
  if (subset !== undefined)
    throw new LabError('MANIFEST', `${path} is a data file and has no subset "${subset}"; only a manifest has subsets`)
  const { baseDir, files } = splitPattern(path)
  const textField = path.endsWith('.parquet') ? 'content' : 'text'
  const value = { name: name ?? dataFileName(path), files, textField }
  return resolveDataset(parseManifest(value, { baseDir, origin: path }), { remote })
}

function isManifest(path: string): boolean {
  return ['.yaml', '.yml', '.json'].includes(extname(path))
}

/** The folder that the wildcards start from, and what to look for in it. */
function splitPattern(path: string): { baseDir: string; files: string } {
  if (path.startsWith('hf://')) return { baseDir: '.', files: path }
  const parts = resolve(path).split(/[\\/]/)
  const cut = fixedSegments(parts, '/')
  return { baseDir: parts.slice(0, cut).join('/') || '/', files: parts.slice(cut).join('/') }
}

/**
 * The name of a dataset that is a data file: the last `segments` (default 1) segments of its path, of an `hf://` address
 * all; letters, digits, `_`, `.` and `-` between slashes.
 */
export function dataFileName(path: string, segments = 1): string {
  const parts = path.split(/[\\/]+/).filter(part => part !== '')
  const kept = path.startsWith('hf://') ? parts : parts.slice(-segments)
  return kept.map(part => part.replace(/[^\w.-]/g, '_')).join('/')
}

/**
 * Names for the data files among `paths` that tell them apart: each as few segments from the end of its path as no other
 * file shares. `undefined` for manifests, which have names of their own.
 */
export function dataFileNames(paths: readonly string[]): (string | undefined)[] {
  const absolute = paths.map(path => (path.startsWith('hf://') ? path : resolve(path)))
  return absolute.map(path => {
    if (isManifest(path)) return undefined
    const others = absolute.filter(other => other !== path && !isManifest(other))
    const most = path.split(/[\\/]+/).length
    let segments = 1
    while (segments < most && others.some(other => dataFileName(other, segments) === dataFileName(path, segments)))
      segments++
    return dataFileName(path, segments)
  })
}
