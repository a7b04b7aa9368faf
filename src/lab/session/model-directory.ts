/** Where the model lies that a session is asked to load. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isHubAddress } from '../../checkpoint/hub-address.js'
import type { DownloadOptions } from '../../checkpoint/hub-download.js'
import { modelFolder, runFile } from '../../train/run-directory.js'
import { resolveModelDir } from '../resolve-model.js'
import { demoBase } from './datasets.js'
import { runDirectoryOf } from './run-shelf.js'

/**
 * The directory of `demo`, of a model or run directory (the result of the run), of a run by its name below `runsDir`, or of a
 * model of the hub, which is downloaded first.
 */
export async function modelDirectoryOf(
  where: string,
  { cwd, runsDir, ...options }: DownloadOptions & { cwd: string; runsDir: string },
): Promise<string> {
  if (where === 'demo') return demoBase()
  if (isHubAddress(where)) return resolveModelDir(where, options)
  const plain = resolve(cwd, where)
  const path = existsSync(plain) ? plain : runDirectoryOf(where, { cwd, folder: runsDir })
  const result = join(path, modelFolder)
  if (existsSync(join(path, runFile)) && existsSync(result)) return result
  return resolveModelDir(path, options)
}
