/** The user's own editor on a text. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Opens `$VISUAL`, `$EDITOR` or vi on a text and returns what was saved; null when the editor failed. @throws Error when it cannot be started */
export function editInEditor(text: string, env: Record<string, string | undefined>): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'llama-pro-'))
  const file = join(folder, 'input.ts')
  const [program = 'vi', ...args] = (env['VISUAL'] || env['EDITOR'] || 'vi').split(' ')
  try {
    writeFileSync(file, `${text}\n`)
    const { status, error } = spawnSync(program, [...args, file], { stdio: 'inherit' })
    if (error) throw new Error(`cannot start the editor ${program} (${error.message}): set EDITOR to one that is there`)
    return status === 0 ? readFileSync(file, 'utf8') : null
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
