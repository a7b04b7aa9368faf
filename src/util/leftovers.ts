/** What writers that were killed have left beside the files and folders that they were writing. */
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isAlive } from './process-alive.js'

/** How long what another host has left is spared: its processes cannot be seen from here. */
const OTHER_HOST_MS = 86_400_000

const host = () => hostname().replace(/[^\w.-]/g, '_')

/** The name of `name` while this process writes it (`tmp`) or replaces it (`old`): `model.tmp-<pid>-<host>`. */
export function unfinishedName(name: string, kind: 'tmp' | 'old'): string {
  return `${name}.${kind}-${process.pid}-${host()}`
}

/**
 * Clears away what dead writers have left in a folder. A directory that was moved aside and has no successor is put back.
 * What names another host, or none, goes when it is older than a day.
 * @param options.of only what belongs to this directory of the folder (default: everything)
 */
export function clearLeftovers(folder: string, { of, nowMs = Date.now() }: { of?: string; nowMs?: number } = {}): void {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) {
    const [, base, kind, pid, from] = /^\.?(.+)\.(tmp|old)-(\d+)(?:-(.+))?$/.exec(name) ?? []
    if (base === undefined || (of !== undefined && base !== of)) continue
    const path = join(folder, name)
    const isDead = from === host() ? !isAlive(Number(pid)) : nowMs - changedMs(path, nowMs) > OTHER_HOST_MS
    if (!isDead) continue
    const target = join(folder, base)
    if (kind === 'old' && !existsSync(target)) renameSync(path, target)
    else rmSync(path, { recursive: true, force: true })
  }
}

/** When it was written or renamed last; now when it has just gone. */
function changedMs(path: string, nowMs: number): number {
  return statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? nowMs
}
