import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fsyncDirectory } from './atomic-file.js'
import { LabError } from './errors.js'
import { makeDirectories } from './make-directories.js'
import { isAlive } from './process-alive.js'

/**
 * Fills a new directory so that a reader (or a crash) sees all of it or nothing: `fill` writes into a temporary sibling
 * of `dir`, which is then renamed. With `overwrite` an existing directory is moved aside first and removed last. What a
 * process that was killed has left beside `dir` is removed first; the old content, where it died before the new was in its place,
 * is put back.
 *
 * @throws LabError OUTPUT_EXISTS when `dir` is there and `overwrite` is not set; whatever `fill` throws, in which case
 * nothing is left behind and an existing directory is as it was
 */
export async function writeDirectoryAtomic<T>(
  dir: string,
  fill: (temporary: string) => Promise<T>,
  { overwrite = false }: { overwrite?: boolean } = {},
): Promise<T> {
  const target = resolve(dir)
  tidy(target)
  if (existsSync(target) && !overwrite)
    throw new LabError(
      'OUTPUT_EXISTS',
      `${dir} is already there; choose another directory or allow overwriting it (--overwrite).`,
    )
  const sibling = (suffix: string) => join(dirname(target), `.${basename(target)}.${suffix}-${process.pid}`)
  const temporary = sibling('tmp')
  rmSync(temporary, { recursive: true, force: true })
  makeDirectories(temporary)
  try {
    const result = await fill(temporary)
    fsyncDirectory(temporary)
    replaceDirectory(target, temporary, sibling('old'))
    return result
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true })
    throw error
  }
}

/** Clears away what writers of `target` have left that are gone. */
function tidy(target: string): void {
  const folder = dirname(target)
  if (!existsSync(folder)) return
  const prefix = `.${basename(target)}.`
  for (const name of readdirSync(folder)) {
    const [, kind, pid] = (name.startsWith(prefix) && /^(tmp|old)-(\d+)$/.exec(name.slice(prefix.length))) || []
    if (pid === undefined || isAlive(Number(pid))) continue
    const path = join(folder, name)
    if (kind === 'old' && !existsSync(target)) renameSync(path, target)
    else rmSync(path, { recursive: true, force: true })
  }
}

/** Puts `fresh` in the place of `target`; the old content waits under `aside` and comes back when that fails. */
function replaceDirectory(target: string, fresh: string, aside: string): void {
  const isThere = existsSync(target)
  if (isThere) renameSync(target, aside)
  try {
    renameSync(fresh, target)
  } catch (error) {
    if (isThere) renameSync(aside, target)
    throw error
  }
  fsyncDirectory(dirname(target))
  rmSync(aside, { recursive: true, force: true })
}
