import { join } from 'node:path'
import { type Surroundings, surroundings } from './jupyter-paths.js'

/** File of the history of cells: `LLAMA_PRO_HISTORY`, or the custom of the system; an empty `LLAMA_PRO_HISTORY` means none. */
export function historyPath({ env, platform, home }: Surroundings = surroundings()): string | null {
  const given = env['LLAMA_PRO_HISTORY']
  if (given !== undefined) return given || null
  const name = 'llama-pro-lab'
  const file = 'history.jsonl'
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', name, file)
  if (platform === 'win32') return join(env['LOCALAPPDATA'] || join(home, 'AppData', 'Local'), name, file)
  return join(env['XDG_STATE_HOME'] || join(home, '.local', 'state'), name, file)
}
