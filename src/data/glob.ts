import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { LabError, messageOf } from '../util/errors.js'
import { globToRegExp, isGlob } from '../util/glob.js'

/** A file that matched, `path` as the pattern would write it (relative stays relative), with `/` between folders. */
export interface FoundFile {
  path: string
  byteLength: number
}

/** Local files that match `pattern` (relative to `baseDir` unless absolute), sorted by path; hidden files are not matched by wildcards. */
export async function findFiles(pattern: string, baseDir: string): Promise<FoundFile[]> {
  const written = pattern.replaceAll('\\', '/').replace(/^(\.\/)+/, '')
  const paths = isGlob(written) ? await expandGlob(written, baseDir) : [written]
  const found = await Promise.all(
    paths.map(async path => {
      const info = await stat(resolvePath(baseDir, path)).catch(() => null)
      return info?.isFile() ? { path, byteLength: info.size } : null
    }),
  )
  return found.filter(file => file !== null).sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Where a path of a manifest lies on this machine. */
export function resolvePath(baseDir: string, path: string): string {
  return isAbsolute(path) ? path : join(baseDir, path)
}

function expandGlob(pattern: string, baseDir: string): Promise<string[]> {
  const parts = pattern.split('/')
  const fixed = parts.slice(0, parts.findIndex(isGlob))
  // without `**` (or a choice, which may hold a slash) the depth of a match is that of the pattern
  const maxDepth = /\*\*|\{/.test(pattern) ? Number.POSITIVE_INFINITY : parts.length
  const matches = globToRegExp(pattern)
  const walk = async (folder: string[]): Promise<string[]> => {
    const at = folder.length === 1 && folder[0] === '' ? '/' : folder.join('/')
    const entries = await folderEntries(resolvePath(baseDir, at || '.'))
    const visible = entries.filter(entry => !entry.name.startsWith('.'))
    const found = visible.map(async entry => {
      const inner = [...folder, entry.name]
      if (entry.isDirectory()) return inner.length < maxDepth ? walk(inner) : []
      const path = inner.join('/')
      return matches.test(path) ? [path] : []
    })
    return (await Promise.all(found)).flat()
  }
  return walk(fixed)
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
