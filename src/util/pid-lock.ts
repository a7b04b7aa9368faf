import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { dirname } from 'node:path'
import { threadId } from 'node:worker_threads'
import { makeDirectories } from './make-directories.js'
import { isAlive } from './process-alive.js'
import { sleep } from './retry.js'

/** Who holds a lock, as written into the lock file. */
export interface LockHolder {
  pid: number
  /** When the process began, in the words of its system (Linux: clock ticks since boot); null where that cannot be had. */
  started?: string | null
  threadId: number
  host: string
  /** Unique for every time a lock is taken. */
  nonce: string
}

export interface PidLockOptions {
  signal?: AbortSignal
  /** Time between two looks at a lock that another holds (default 100). */
  pollMs?: number
  /** A lock of another machine whose holder gave no sign of life for this long is stale (default 60,000). */
  staleMs?: number
  /** Called once when the lock is held by another, with the holder (null when its file cannot be read). */
  onWait?: (holder: LockHolder | null) => void
}

/**
 * The locks that this thread holds or has held; a file that names this thread and none of them was left by an older process of the
 * same pid. Locks that were given back stay in the list: whoever read the file just before must not take it for a stale one, and
 * then move away the lock that has followed it.
 */
const ownNonces = new Set<string>()

/**
 * Runs `work` while holding the lock file `path`: one holder at a time over all processes and threads that use the same
 * path. The file is made with exclusive creation, holds the holder's pid, and is touched every few seconds. A lock is
 * stale, and broken, when its process is gone; one of another machine, of another thread, or whose number a process has that
 * began at another time, when it was not touched for `staleMs`. A process that is only stopped (Ctrl-Z) keeps its lock, as it will go on writing.
 */
export async function withPidLock<T>(path: string, work: () => Promise<T>, options: PidLockOptions = {}): Promise<T> {
  const nonce = await acquire(path, options)
  const heartbeat = setInterval(() => touch(path), (options.staleMs ?? 60_000) / 6)
  heartbeat.unref()
  try {
    return await work()
  } finally {
    clearInterval(heartbeat)
    if ((await readHolder(path))?.nonce === nonce) await rm(path, { force: true })
  }
}

function touch(path: string): void {
  const now = new Date()
  utimes(path, now, now).catch(() => {
    // the lock was broken by another process after a long pause; the release looks at the nonce and leaves it alone
  })
}

async function acquire(
  path: string,
  { signal, pollMs = 100, staleMs = 60_000, onWait }: PidLockOptions,
): Promise<string> {
  makeDirectories(dirname(path))
  const { pid } = process
  const holder: LockHolder = { pid, started: startOf(pid), threadId, host: hostname(), nonce: randomUUID() }
  ownNonces.add(holder.nonce) // before the file exists: whoever reads it must find the nonce here
  for (let waited = false; ; waited = true) {
    signal?.throwIfAborted()
    if (await tryCreate(path, holder)) return holder.nonce
    if (await breakIfStale(path, staleMs)) continue
    if (!waited) onWait?.(await readHolder(path))
    await sleep(pollMs, signal)
  }
}

async function tryCreate(path: string, holder: LockHolder): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(holder), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function readHolder(path: string): Promise<LockHolder | null> {
  try {
    const holder = JSON.parse(await readFile(path, 'utf8')) as LockHolder
    return typeof holder.pid === 'number' && typeof holder.nonce === 'string' ? holder : null
  } catch {
    return null // gone, or not yet written by its maker: its age decides
  }
}

/** Who holds a lock now, or null when nobody does: no file, or one that is stale (see {@link withPidLock}). */
export async function lockHolder(path: string, staleMs = 60_000): Promise<LockHolder | null> {
  const holder = await readHolder(path)
  const found = await stat(path).catch(() => null)
  return holder && found && !isStale(holder, { ageMs: Date.now() - found.mtimeMs, staleMs }) ? holder : null
}

/** Of a process that has ended and whose parent has not asked how. */
const ENDED = 'ended'

/** When a process of this machine began, or {@link ENDED}; null where /proc does not tell. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // from the third field on: the second is the name in brackets and may hold anything
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? ENDED : (fields[19] ?? null)
  } catch {
    return null
  }
}

/** Whether the process of a lock of this host is gone. */
function isGone({ pid, started = null }: LockHolder, isSilent: boolean): boolean {
  const now = startOf(pid)
  if (now === ENDED || !isAlive(pid)) return true
  const isOther = now !== null && started !== null && now !== started
  // a later process of the same number; or, in containers that share a host name, one beside a holder that gives signs of life
  return isOther && isSilent
}

function isStale(holder: LockHolder | null, { ageMs, staleMs }: { ageMs: number; staleMs: number }): boolean {
  if (!holder || holder.host !== hostname()) return ageMs >= staleMs
  if (holder.pid !== process.pid) return isGone(holder, ageMs >= staleMs)
  return holder.threadId === threadId ? !ownNonces.has(holder.nonce) : ageMs >= staleMs
}

/** Removes a stale lock; true when the lock may be tried again at once. */
async function breakIfStale(path: string, staleMs: number): Promise<boolean> {
  const holder = await readHolder(path)
  const touchedMs = await stat(path).then(
    found => found.mtimeMs,
    () => null,
  )
  if (touchedMs === null) return true
  if (!isStale(holder, { ageMs: Date.now() - touchedMs, staleMs })) return false
  // renamed before it is removed: of two processes that find it stale, one rename fails, and none removes a new lock
  const aside = `${path}.stale-${randomUUID()}`
  try {
    await rename(path, aside)
  } catch {
    return true
  }
  const moved = await readHolder(aside)
  if (holder && moved && moved.nonce !== holder.nonce) {
    await rename(aside, path) // another process broke it first and took it: put its lock back
    return false
  }
  await rm(aside, { force: true })
  return true
}
