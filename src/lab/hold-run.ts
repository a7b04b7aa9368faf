import { existsSync, readdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { LabError } from '../util/errors.js'
import { withPidLock } from '../util/pid-lock.js'

/**
 * Does the work of a run while no other process can write to its directory; two that did would destroy it.
 * A run that never began leaves no directory behind.
 * @throws LabError RUN_BUSY when another one is at it
 */
export async function holdingRun<T>(out: string, work: () => Promise<T>): Promise<T> {
  const busy = new AbortController()
  const lock = join(out, '.lock')
  const onWait = (holder: { pid: number; host: string } | null) =>
    busy.abort(
      new LabError(
        'RUN_BUSY',
        `${out} is being written by ${holder ? `process ${holder.pid} on ${holder.host}` : 'another process'}; wait for it to end (when it is another program by now, remove ${lock}), or choose another --out`,
      ),
    )
  try {
    return await withPidLock(lock, work, { signal: busy.signal, onWait })
  } catch (error) {
    if (existsSync(out) && readdirSync(out).length === 0) rmdirSync(out)
    throw error
  }
}
