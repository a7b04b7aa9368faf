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

/**
 * Lists a repository at the commit that `files` are of, when the pattern names a branch or tag of it. A repository that is not
 * among them, or with several commits, is listed as the pattern says; a run then tells whether that is what it was started with.
 */
export function pinnedTo(files: readonly string[], remote: RemoteFiles): RemoteFiles {
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
    return commit === undefined || others.length > 0 || isFixed
      ? pattern
      : formatHubAddress({ ...address, revision: commit })
  }
  return { ...remote, list: pattern => remote.list(pinned(pattern)) }
}

function repoOf({ repoType, repo }: HubAddress): string {
  return `${repoType} ${repo}`
}
