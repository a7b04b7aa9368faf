import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type LiveTokens, randomTokens } from '../../src/index.js'

/** After a day a new address has to be opened. */
const DAY_MS = 86_400_000

/**
 * The tokens of the server at a fixed port, kept for a day in a file that only its owner can read, so that pages that are open find
 * the server again when it is restarted. A port that the system chooses (0) has new ones each time.
 */
export function tokensOf(port: number, env: Record<string, string | undefined>): LiveTokens {
  if (port === 0) return randomTokens()
  const folder = join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'llama-pro-lab', 'live')
  const path = join(folder, `${port}.json`)
  if (existsSync(path) && Date.now() - statSync(path).mtimeMs < DAY_MS)
    return JSON.parse(readFileSync(path, 'utf8')) as LiveTokens
  const tokens = randomTokens()
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  writeFileSync(path, JSON.stringify(tokens), { mode: 0o600 })
  // the mode above is for a new file; an old one keeps its own
  chmodSync(path, 0o600)
  return tokens
}
