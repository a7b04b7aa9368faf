import { extname, resolve } from 'node:path'
import { type Dataset, resolveDataset } from '../data/dataset.js'
import { loadManifest, parseManifest } from '../data/manifest.js'

/**
 * A dataset by the path of its manifest (`.yaml`, `.yml`, `.json`), or by a data file or glob (jsonl, jsonl.gz, jsonl.zst,
 * parquet, txt; `hf://` too), whose text is then looked for in `content` (parquet) or `text`.
 */
export async function openDataset(
  path: string,
  { name, subset }: { name?: string; subset?: string } = {},
): Promise<Dataset> {
  if (['.yaml', '.yml', '.json'].includes(extname(path))) {
    return resolveDataset(await loadManifest(path, subset === undefined ? {} : { subset }))
  }
  const files = path.startsWith('hf://') ? path : resolve(path)
  const textField = path.endsWith('.parquet') ? 'content' : 'text'
  return resolveDataset(parseManifest({ name: name ?? nameOf(path), files, textField }, { origin: path }))
}

/** The path as a name of a dataset: letters, digits, `_`, `.` and `-` between slashes. */
function nameOf(path: string): string {
  const parts = path.split(/[\\/]+/).filter(part => part !== '')
  return parts.map(part => part.replace(/[^\w.-]/g, '_')).join('/')
}
