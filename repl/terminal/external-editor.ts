/** The user's own editor on a text. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Opens `$VISUAL`, `$EDITOR` or vi on a text and returns what was saved; null when the editor failed, or was ended by `signal`.
 * @throws Error when it cannot be started
 */
export async function editInEditor(
  text: string,
  { env, signal }: { env: Record<string, string | undefined>; signal: AbortSignal },
): Promise<string | null> {
  if (signal.aborted) return null
  const folder = mkdtempSync(join(tmpdir(), 'llama-pro-'))
  const file = join(folder, 'input.ts')
  const [program = 'vi', ...args] = (env['VISUAL'] || env['EDITOR'] || 'vi').split(' ')
  try {
    writeFileSync(file, `${text}\n`)
    const editor = spawn(program, [...args, file], { stdio: 'inherit' })
    signal.addEventListener('abort', () => editor.kill(), { once: true })
    const [status] = await once(editor, 'exit').catch((error: Error) => {
      throw new Error(`cannot start the editor ${program} (${error.message}): set EDITOR to one that is there`)
    })
    return status === 0 ? readFileSync(file, 'utf8') : null
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
