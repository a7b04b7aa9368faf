import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The root of this repository. */
export const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url))

/** The folder of real shards, tokenizers and reference results that developers and CI have beside the checkout; users do not. */
export const sharedRoot = process.env['LLAMA_PRO_SHARED'] ?? fileURLToPath(new URL('../../../shared', import.meta.url))

/** Whether a path of the shared folder is there; use as `describe.skipIf(!hasShared('data/general'))`. */
export function hasShared(path: string): boolean {
  return existsSync(`${sharedRoot}/${path}`)
}

/** The absolute path of a file in the shared folder. */
export function shared(path: string): string {
  return `${sharedRoot}/${path}`
}
