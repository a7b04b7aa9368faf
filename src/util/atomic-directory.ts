import { existsSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fsyncDirectory } from './atomic-file.js'
import { LabError } from './errors.js'
import { clearLeftovers, unfinishedName } from './leftovers.js'
import { makeDirectories } from './make-directories.js'

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
  clearLeftovers(dirname(target), { of: basename(target) })
  if (existsSync(target) && !overwrite)
    throw new LabError(
      'OUTPUT_EXISTS',
      `${dir} is already there; choose another directory or allow overwriting it (--overwrite).`,
    )
  const sibling = (kind: 'tmp' | 'old') => join(dirname(target), unfinishedName(`.${basename(target)}`, kind))
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
