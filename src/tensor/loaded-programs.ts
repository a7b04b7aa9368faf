/** Which programs each engine keeps compiled: those that somebody holds, and some of those that somebody held. */
import type { Engine } from './engine.js'
import type { Lowered } from './lower.js'

/** Programs kept for the next equal one when nobody holds them any more: the cells of a session seldom repeat older ones. */
export const IDLE_PROGRAMS = 64

/** A hold on a compiled program, shared by all that have the same structure. */
export interface LoadedProgram {
  readonly handle: Promise<number>
  /** Gives the hold up; once. */
  release(): void
}

interface Entry {
  readonly handle: Promise<number>
  /** What `handle` has resolved to. */
  program: number | null
  holders: number
}

class LoadedPrograms {
  readonly #entries = new Map<string, Entry>()
  /** Keys of entries without a holder, the longest unheld first. */
  readonly #idle = new Set<string>()

  constructor(readonly engine: WeakRef<Engine>) {}

  hold(engine: Engine, { spec, key }: Lowered): LoadedProgram {
    const known = this.#entries.get(key)
    const entry: Entry = known ?? { handle: engine.load(spec, key), program: null, holders: 0 }
    if (!known) {
      this.#entries.set(key, entry)
      entry.handle.then(
        program => {
          entry.program = program
        },
        // what failed once (no memory left) may work when it is asked for again
        () => this.#forget(key, entry),
      )
    }
    entry.holders++
    this.#idle.delete(key)
    return { handle: entry.handle, release: () => this.#release(key, entry) }
  }

  #release(key: string, entry: Entry): void {
    entry.holders--
    if (entry.holders > 0 || this.#entries.get(key) !== entry) return
    this.#idle.add(key)
    for (const oldest of this.#idle) {
      if (this.#idle.size <= IDLE_PROGRAMS) return
      const unheld = this.#entries.get(oldest)!
      // one that is still being loaded waits for the next turn: the engine must forget its key in the same breath
      if (unheld.program === null) continue
      this.#forget(oldest, unheld)
      this.engine.deref()?.unload(unheld.program)
    }
  }

  #forget(key: string, entry: Entry): void {
    if (this.#entries.get(key) !== entry) return
    this.#entries.delete(key)
    this.#idle.delete(key)
  }
}

const byEngine = new WeakMap<Engine, LoadedPrograms>()

/** Compiles a program on an engine, or takes the equal one that is compiled already. */
export function holdProgram(engine: Engine, lowered: Lowered): LoadedProgram {
  let programs = byEngine.get(engine)
  if (!programs) byEngine.set(engine, (programs = new LoadedPrograms(new WeakRef(engine))))
  return programs.hold(engine, lowered)
}
