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

/** The commits at which repositories were listed in the place of the revisions that patterns name. */
export class Pins {
  readonly #commits = new Map<string, Set<string>>()

  add(address: HubAddress, commit: string): void {
    const key = keyOf(address)
    this.#commits.set(key, (this.#commits.get(key) ?? new Set()).add(commit))
  }

  /** The same branch or tag of the same repository at the same commit; of one with several commits, as the pattern says. */
  of(remote: RemoteFiles): RemoteFiles {
    const pinned = (pattern: string): string => {
      const address = parseHubAddress(pattern)
      const [commit, ...others] = this.#commits.get(keyOf(address)) ?? []
      return commit === undefined || others.length > 0 ? pattern : formatHubAddress({ ...address, revision: commit })
    }
    return { ...remote, list: pattern => remote.list(pinned(pattern)) }
  }
}

/**
 * Lists a repository at the commit that `files` are of, when the pattern names a branch or tag of it, and notes that in `pins`. A
 * repository that is not among them, or with several commits, is listed as the pattern says; a run then tells whether that is
 * what it was started with.
 * @param files of one source
 */
export function pinnedTo(files: readonly string[], remote: RemoteFiles, pins: Pins = new Pins()): RemoteFiles {
  const commits = new Map<string, Set<string>>()
  for (const file of files) {
    if (!file.startsWith('hf://')) continue
    const address = parseHubAddress(file)
    const { revision } = address
    if (revision === null) continue
    commits.set(repoOf(address), (commits.get(repoOf(address)) ?? new Set()).add(revision))
  }
  const pinned = (pattern: string): string => {
    const address = parseHubAddress(pattern)
    const [commit, ...others] = commits.get(repoOf(address)) ?? []
    const isFixed = COMMIT_PATTERN.test(address.revision ?? '')
    if (commit === undefined || others.length > 0 || isFixed) return pattern
    pins.add(address, commit)
    return formatHubAddress({ ...address, revision: commit })
  }
  return { ...remote, list: pattern => remote.list(pinned(pattern)) }
}

function repoOf({ repoType, repo }: HubAddress): string {
  return `${repoType} ${repo}`
}

function keyOf(address: HubAddress): string {
  return `${repoOf(address)} ${address.revision ?? 'main'}`
}
