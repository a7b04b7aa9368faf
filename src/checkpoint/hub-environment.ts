import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** The environment variables, with the meaning that huggingface_hub gives them. */
export type Environment = Record<string, string | undefined>

function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

/** `HF_HOME`, or `huggingface` in `XDG_CACHE_HOME` or `~/.cache`. */
export function huggingFaceHome(env: Environment = process.env): string {
  return expandHome(env['HF_HOME'] ?? join(env['XDG_CACHE_HOME'] ?? '~/.cache', 'huggingface'))
}

/** `HF_HUB_CACHE`, or its old name `HUGGINGFACE_HUB_CACHE`, or `hub` in {@link huggingFaceHome}. */
export function hubCacheDirectory(env: Environment = process.env): string {
  return expandHome(env['HF_HUB_CACHE'] ?? env['HUGGINGFACE_HUB_CACHE'] ?? join(huggingFaceHome(env), 'hub'))
}

/** The directory of the lab's own block cache: `llama-pro-lab/blocks` in `XDG_CACHE_HOME` or `~/.cache`. */
export function blockCacheDirectory(env: Environment = process.env): string {
  return expandHome(join(env['XDG_CACHE_HOME'] ?? '~/.cache', 'llama-pro-lab', 'blocks'))
}

function isTrue(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? '')
}

/** Whether `HF_HUB_OFFLINE` (or `TRANSFORMERS_OFFLINE`) forbids all requests. */
export function isHubOffline(env: Environment = process.env): boolean {
  return isTrue(env['HF_HUB_OFFLINE']) || isTrue(env['TRANSFORMERS_OFFLINE'])
}

/** An access token and where it was found; the place, never the token, goes into messages. */
export interface HubToken {
  value: string
  from: string
}

/** The token of `HF_TOKEN`, `HUGGING_FACE_HUB_TOKEN`, or the file that `hf auth login` writes; null when there is none. */
export function readHubToken(env: Environment = process.env): HubToken | null {
  if (isTrue(env['HF_HUB_DISABLE_IMPLICIT_TOKEN'])) return null
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const value = env[name]?.trim()
    if (value) return { value, from: `the environment variable ${name}` }
  }
  const path = expandHome(env['HF_TOKEN_PATH'] ?? join(huggingFaceHome(env), 'token'))
  const value = existsSync(path) ? readFileSync(path, 'utf8').trim() : ''
  return value ? { value, from: `the file ${path}` } : null
}

/** `HF_ENDPOINT`, or the public hub. */
export function hubEndpoint(env: Environment = process.env): string {
  return (env['HF_ENDPOINT'] || 'https://huggingface.co').replace(/\/+$/, '')
}
