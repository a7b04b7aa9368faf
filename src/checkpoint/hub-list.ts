import { LabError } from '../util/errors.js'
import { globToRegExp, isGlob } from '../util/glob.js'
import { didYouMean } from '../util/nearest.js'
import { describeRepo, type HubAddress, toHubAddress } from './hub-address.js'
import type { HubFile } from './hub-cache.js'
import { type HubOptions, hubClient, resolveCommit } from './hub-client.js'
import { hubTree } from './hub-tree.js'

/** The files that an address means, at the commit that it meant. */
export interface HubListing {
  commit: string
  /** In order of their paths. */
  files: HubFile[]
}

/**
 * Lists the files of a repository below an address: one file, a folder with everything in it, or a glob
 * (`hf://datasets/owner/name@revision/data/*.parquet`; `**` crosses folders).
 * @throws LabError `HUB_FILE_NOT_FOUND` when nothing matches, with the nearest path
 */
export async function listHubFiles(where: string | HubAddress, options: HubOptions = {}): Promise<HubListing> {
  const address = toHubAddress(where)
  const { commit, client } = await resolveCommit(hubClient(options), address)
  const tree = await hubTree(client, address, commit)
  const files = tree.filter(matcher(address.path)).sort((a, b) => (a.path < b.path ? -1 : 1))
  if (files.length === 0) throw nothingAt(address, tree)
  return { commit, files }
}

function matcher(path: string): (file: HubFile) => boolean {
  if (path === '') return () => true
  if (isGlob(path)) {
    const pattern = globToRegExp(path)
    return file => file.path === path || pattern.test(file.path)
  }
  return file => file.path === path || file.path.startsWith(`${path}/`)
}

/** The one file that an address names. */
export function pickFile(address: HubAddress, tree: HubFile[]): HubFile {
  const file = tree.find(({ path }) => path === address.path)
  if (!file) throw nothingAt(address, tree)
  return file
}

function nothingAt(address: HubAddress, tree: HubFile[]): LabError {
  const paths = tree.map(({ path }) => path)
  const folders = new Set(
    paths.flatMap(path =>
      path
        .split('/')
        .slice(0, -1)
        .map((_, i, parts) => parts.slice(0, i + 1).join('/')),
    ),
  )
  const hint = isGlob(address.path) ? '' : didYouMean(address.path, [...paths, ...folders])
  return new LabError(
    'HUB_FILE_NOT_FOUND',
    `${describeRepo(address)}@${address.revision ?? 'main'} has ${tree.length} files, none at "${address.path}".${hint}`,
  )
}
