import { type Dirent, existsSync, type Stats } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { LabError, messageOf } from '../util/errors.js'
import { globToRegExp, isGlob } from '../util/glob.js'

/** A file that matched, `path` as the pattern would write it (relative stays relative), with `/` between folders. */
export interface FoundFile {
  path: string
  byteLength: number
}

/**
 * Local files that match `pattern` (relative to `baseDir` unless absolute), sorted by path. What exists under a name as it is
 * written is meant by it, `[x]` too; links are followed; hidden files are not matched by wildcards. A link that leads nowhere
 * is passed by where its own path does not match.
 * @throws LabError DATASET_FILE for a match that cannot be looked at (a link that leads nowhere), DATASET_FOLDER
 */
export async function findFiles(pattern: string, baseDir: string): Promise<FoundFile[]> {
  const written = pattern.replaceAll('\\', '/').replace(/^(\.\/)+/, '')
  const literal = await literalFile(written, baseDir)
  if (literal || !isGlob(written)) return literal ? [literal] : []
  const paths = await expandGlob(written, baseDir)
  const found = await Promise.all(
    paths.map(async path => {
      const info = await lookAt(resolvePath(baseDir, path))
      return info.isFile() ? { path, byteLength: info.size } : null
    }),
  )
  return found.filter(file => file !== null).sort((a, b) => (a.path < b.path ? -1 : 1))
}

async function literalFile(path: string, baseDir: string): Promise<FoundFile | null> {
  try {
    const info = await stat(resolvePath(baseDir, path))
    return info.isFile() ? { path, byteLength: info.size } : null
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // of a pattern, its walk tells what is wrong
    if (code === 'ENOENT' || code === 'ENOTDIR' || isGlob(path)) return null
    throw unreadable(resolvePath(baseDir, path), error)
  }
}

async function lookAt(path: string): Promise<Stats> {
  try {
    return await stat(path)
  } catch (error) {
    throw unreadable(path, error)
  }
}

/**
 * Where a link leads nowhere and does not match itself, nothing that matches is behind it.
 * @throws LabError DATASET_FILE for one that matches, or that cannot be followed
 */
async function leadsToFolder(link: string, isMatch: boolean): Promise<boolean> {
  try {
    return (await stat(link)).isDirectory()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT' && !isMatch) return false
    throw unreadable(link, error)
  }
}

function unreadable(path: string, error: unknown): LabError {
  const { code } = error as NodeJS.ErrnoException
  const why =
    code === 'ENOENT' ? 'it is a link to what is not there; restore that, or remove the link' : messageOf(error)
  return new LabError('DATASET_FILE', `expected a file at ${path}: ${why}`, { cause: error })
}

/** Where a path of a manifest lies on this machine. */
export function resolvePath(baseDir: string, path: string): string {
  return isAbsolute(path) ? path : join(baseDir, path)
}

/**
 * How many leading segments of a pattern name the folder that it starts from: those without wildcards, and those that exist as
 * they are written. Never all of them.
 */
export function fixedSegments(parts: readonly string[], baseDir: string): number {
  const isFixed = (count: number) =>
    !isGlob(parts[count - 1]!) || existsSync(resolvePath(baseDir, parts.slice(0, count).join('/')))
  let fixed = 0
  while (fixed < parts.length - 1 && isFixed(fixed + 1)) fixed++
  return fixed
}

function expandGlob(pattern: string, baseDir: string): Promise<string[]> {
  const parts = pattern.split('/')
  const root = parts.slice(0, fixedSegments(parts, baseDir))
  const rest = parts.slice(root.length)
  const matches = globToRegExp(rest.join('/'))
  // of `**`, and of a choice that holds a slash, no segment can be matched for itself
  const segments = /\*\*|\{.*\/.*\}/.test(rest.join('/')) ? null : rest.map(globToRegExp)
  const at = (inner: readonly string[]) => {
    const path = [...root, ...inner].join('/')
    return resolvePath(baseDir, path || (root.length > 0 ? '/' : '.'))
  }
  /** @param above the folders on the way, links resolved: one that comes again is a circle */
  const walk = async (folder: readonly string[], above: readonly string[]): Promise<string[]> => {
    const entries = (await folderEntries(at(folder))).filter(
      ({ name }) => !name.startsWith('.') && (segments?.[folder.length]?.test(name) ?? true),
    )
    if (entries.length === 0) return []
    const real = await realpath(at(folder))
    if (above.includes(real)) return []
    const found = entries.map(async entry => {
      const inner = [...folder, entry.name]
      const isMatch = matches.test(inner.join('/'))
      const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await leadsToFolder(at(inner), isMatch)))
      if (isFolder) return segments && inner.length === segments.length ? [] : walk(inner, [...above, real])
      return isMatch ? [[...root, ...inner].join('/')] : []
    })
    return (await Promise.all(found)).flat()
  }
  return walk([], [])
}

/** What is in a folder; nothing where there is none. @throws LabError DATASET_FOLDER for one that may not be read */
async function folderEntries(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw new LabError('DATASET_FOLDER', `${path} cannot be listed: ${messageOf(error)}`, { cause: error })
  }
}
