/** The terminal while another program has it: the user's editor, or the shell. */
import { spawnSync } from 'node:child_process'
import { editInEditor } from './external-editor.js'
import type { Screen } from './screen.js'
import type { TtyInput } from './tty-input.js'

export interface LentTerminalWorld {
  input: TtyInput
  screen: Screen
  /** Before it is given away to an editor. */
  onLend: () => void
  /** It is back. */
  onBack: () => void
}

export class LentTerminal {
  readonly #world: LentTerminalWorld
  readonly #end = new AbortController()
  #edited: Promise<unknown> = Promise.resolve()
  #isEdited = false

  constructor(world: LentTerminalWorld) {
    this.#world = world
  }

  /** Whether an editor has it. */
  get isEdited(): boolean {
    return this.#isEdited
  }

  /** One editor after the other; what is printed meanwhile waits, what trains goes on. */
  edit(text: string): Promise<string | null> {
    const edited = this.#edited.then(() => this.#editNow(text))
    this.#edited = edited.catch(() => {})
    return edited
  }

  /** Ctrl-Z: back to the shell until it says `fg`. */
  suspend(): Promise<unknown> {
    // by another program: Node takes a signal to itself for its end, and shuts its inspector down, which cells run under
    return this.#lend(() => spawnSync('kill', ['-s', 'TSTP', '0']))
  }

  /** Ends the editor. */
  async end(): Promise<void> {
    this.#end.abort()
    await this.#edited
  }

  async #editNow(text: string): Promise<string | null> {
    this.#world.onLend()
    this.#isEdited = true
    return this.#lend(() => editInEditor(text, { env: process.env, signal: this.#end.signal }))
  }

  async #lend<T>(work: () => T | Promise<T>): Promise<T> {
    const { input, screen, onBack } = this.#world
    screen.close()
    try {
      return await input.lend(work)
    } finally {
      this.#isEdited = false
      screen.open()
      onBack()
    }
  }
}
