import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { LabError, messageOf } from './errors.js'

/**
 * Makes a directory and those above it that are not there. One at a time, from the top: Node's own recursive mode never
 * ends where a parent exists and refuses entries with ENOENT (below /proc).
 * @throws LabError DIRECTORY when one of them cannot be made or is a file
 */
export function makeDirectories(path: string): void {
  const target = resolve(path)
  if (existsSync(target)) {
    if (statSync(target).isDirectory()) return
    throw new LabError('DIRECTORY', `expected a directory at ${target}, found a file`)
  }
  makeDirectories(dirname(target))
  try {
    mkdirSync(target)
  } catch (cause) {
    // another process may have made it in between
    if (existsSync(target)) return
    throw new LabError('DIRECTORY', `cannot make the directory ${target}: ${messageOf(cause)}`, { cause })
  }
}
