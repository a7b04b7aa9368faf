/** A run that goes on reads its sources at the commits of the hub that it was started with, wherever their branches are now. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { COMMIT_PATTERN, formatHubAddress, type HubAddress, parseHubAddress } from '../checkpoint/hub-address.js'
import type { RemoteFiles } from '../data/hub-files.js'
import { readRun, runFile } from '../train/run-directory.js'

/** The files of every source of a run, as its run.json names them, in the order of its recipe; none where no run was begun. */
export function filesOfRun(runDir: string): string[][] {
  if (!existsSync(join(runDir, runFile))) return []
  const { sources = [] } = readRun(runDir) as { sources?: { files: string[] }[] }
  return sources.map(({ files }) => files)
}

/** Commits by what they stand for: a repository, or a branch or tag of one. */
class Commits {
  readonly #commits = new Map<string, Set<string>>()

  add(key: string, commit: string): void {
    this.#commits.set(key, (this.#commits.get(key) ?? new Set()).add(commit))
  }

  /** Null when there is none, or more than one. */
  only(key: string): string | null {
    const [commit, ...others] = this.#commits.get(key) ?? []
    return commit === undefined || others.length > 0 ? null : commit
  }
}

/** Lists a repository at the commit that is found for what a pattern names, and as the pattern says where there is none. */
function listingAt(remote: RemoteFiles, commitOf: (address: HubAddress) => string | null): RemoteFiles {
  const pinned = (pattern: string): string => {
    const address = parseHubAddress(pattern)
    const revision = commitOf(address)
    return revision === null ? pattern : formatHubAddress({ ...address, revision })
  }
  return { ...remote, list: pattern => remote.list(pinned(pattern)) }
}

/** The commits at which repositories were listed in the place of the revisions that patterns name. */
export class Pins {
  readonly #commits = new Commits()

  add(address: HubAddress, commit: string): void {
    this.#commits.add(keyOf(address), commit)
  }

  /** The same branch or tag of the same repository at the same commit; of one with several commits, as the pattern says. */
  of(remote: RemoteFiles): RemoteFiles {
    return listingAt(remote, address => this.#commits.only(keyOf(address)))
  }
}

/**
 * Lists a repository at the commit that `files` are of, when the pattern names a branch or tag of it, and notes that in `pins`. A
 * repository that is not among them, or with several commits, is listed as the pattern says; a run then tells whether that is
 * what it was started with.
 * @param files of one source
 */
export function pinnedTo(files: readonly string[], remote: RemoteFiles, pins: Pins = new Pins()): RemoteFiles {
  const commits = new Commits()
  for (const file of files) {
    if (!file.startsWith('hf://')) continue
    const address = parseHubAddress(file)
    if (address.revision !== null) commits.add(repoOf(address), address.revision)
  }
  return listingAt(remote, address => {
    const commit = COMMIT_PATTERN.test(address.revision ?? '') ? null : commits.only(repoOf(address))
    if (commit !== null) pins.add(address, commit)
    return commit
  })
}

function repoOf({ repoType, repo }: HubAddress): string {
  return `${repoType} ${repo}`
}

function keyOf(address: HubAddress): string {
  return `${repoOf(address)} ${address.revision ?? 'main'}`
}
