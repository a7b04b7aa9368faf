/** Terminals of tmux in which the session runs, as its user starts it. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { Tmux, type TmuxOptions } from './tmux.js'

const { build, root, mainFile } = (await import('../../repl/setup.mjs' as string)) as {
  build: () => void
  root: string
  mainFile: string
}
const entry = pathToFileURL(join(root, 'dist', 'repl', 'main.js')).href

/** The built `llama-pro`. */
export { mainFile }

/** A shell's line that runs a session and tells how it ended. */
export const start = `node -e "import('${entry}').then(m => m.openRepl()).then(code => process.exit(code))"; echo "left with $?"`

/** Terminals of one suite: its folder, a shell there, a session that is ready. All are closed after each test. */
export interface Terminals {
  readonly cwd: string
  /** A terminal with a shell, without a history. */
  shell(): Tmux
  session(options?: Partial<TmuxOptions>): Promise<Tmux>
}

export function terminals(): Terminals {
  const cwd = temporaryDirectory('tmux')
  let open: Tmux[] = []
  beforeAll(() => build())
  afterEach(() => {
    for (const terminal of open) terminal.close()
    open = []
  })
  afterAll(() => rmSync(join(cwd, 'runs'), { recursive: true, force: true }))
  const opened = (options: Partial<TmuxOptions>) => {
    const terminal = new Tmux({ cwd, ...options })
    open.push(terminal)
    return terminal
  }
  const session = async (options: Partial<TmuxOptions> = {}) => {
    const env = { LLAMA_PRO_HISTORY: join(cwd, 'history.jsonl'), ...options.env }
    const terminal = opened({ ...options, env })
    terminal.type(start)
    terminal.keys('Enter')
    await terminal.until(/^In \[1\]:/m)
    await terminal.until(/no model yet/)
    return terminal
  }
  return { cwd, shell: () => opened({ env: { LLAMA_PRO_HISTORY: '' } }), session }
}

/** Lines are edited by the terminal again, its cursor is seen, and pastes are not marked. */
export async function expectWhole(terminal: Tmux): Promise<void> {
  terminal.type('stty -a | grep -o " icanon"\r')
  await terminal.until(/^ *icanon$/m)
  expect(terminal.pane('cursor_flag')).toBe('1')
  terminal.paste('echo "pas""ted"')
  terminal.type('\r')
  await terminal.until(/^pasted$/m)
  expect(terminal.capture()).not.toContain('200~')
}
