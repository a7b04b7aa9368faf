/** The lab in a cell: `lab`, the session that all cells share, `aq`, and the displays of runs that go on. */
import type { Lab } from '../src/index.js'
import type { Display } from './evaluator/display.js'
import type { LibraryGlobals } from './evaluator/evaluator.js'
import { showNotices } from './lab-notices.js'
import { showRun, type UpdateShown } from './run-display.js'

export interface LabGlobals extends LibraryGlobals {
  /** Stops the run that goes on, if any; its checkpoint is written. */
  interrupt(): void
  /** Frees the session; nothing happens when no cell has used it. */
  dispose(): Promise<void>
}

/** The tables that results are given as; loaded when a cell first uses a name of the library. */
export const tableGlobals: LibraryGlobals = {
  declarations: { aq: 'const aq: typeof import("arquero")' },
  values: async () => ({ aq: await import('arquero') }),
}

/** The names of cells that stand on the library. `lab` is made when a cell first uses one of them. */
export function labGlobals(updateShown: UpdateShown): LabGlobals {
  let lab: Lab | null = null
  return {
    declarations: {
      lab: 'const lab: import("llama-pro-lab").Lab',
      ...tableGlobals.declarations,
    },
    values: async library => {
      const session = new library.Lab({ signal: currentSignal })
      lab = session
      const display = globalOf<Display>('display')
      showNotices(session, { library, display, signal: currentSignal })
      session.events.on('run', ({ run }) => showRun(run, { library, lab: session, display, updateShown }))
      return { lab: session, ...(await tableGlobals.values(library)) }
    },
    interrupt: () => lab?.interrupt(),
    dispose: async () => lab?.dispose(),
  }
}

function globalOf<T>(name: string): T {
  return (globalThis as Record<string, unknown>)[name] as T
}

/** The signal of the cell that runs; it is a global of the evaluator. */
function currentSignal(): AbortSignal {
  return globalOf<AbortSignal>('interrupted')
}
