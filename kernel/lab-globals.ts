/** The lab in a cell: `lab`, the session that all cells share, `aq`, and the displays of runs that go on. */
import type { Lab, TrainingRun } from '../src/index.js'
import type { Display } from './evaluator/display.js'
import type { Library, LibraryGlobals } from './evaluator/evaluator.js'
import type { MimeBundle } from './evaluator/types.js'

/** How often the displays of a run change, in milliseconds. */
const STATUS_MS = 500
const PICTURE_MS = 1000

export interface LabGlobals extends LibraryGlobals {
  /** Stops the run that goes on, if any; its checkpoint is written. */
  interrupt(): void
  /** Frees the session; nothing happens when no cell has used it. */
  dispose(): Promise<void>
}

/** Changes what is shown under an id, also when the cell that showed it was interrupted since. */
export type UpdateShown = (displayId: string, data: MimeBundle) => void

/** The names of cells that stand on the library. `lab` is made when a cell first uses one of them. */
export function labGlobals(updateShown: UpdateShown): LabGlobals {
  let lab: Lab | null = null
  return {
    declarations: {
      lab: 'const lab: import("llama-pro-lab").Lab',
      aq: 'const aq: typeof import("arquero")',
    },
    values: async library => {
      lab = new library.Lab({ signal: currentSignal })
      lab.events.on('run', ({ run }) => showRun(run, { library, display: globalOf<Display>('display'), updateShown }))
      return { lab, aq: await import('arquero') }
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

interface RunDisplay {
  library: Library
  display: Display
  updateShown: UpdateShown
}

/** A line and a picture below the cell that has started a run; they follow it, and stay as it ended. */
function showRun(run: TrainingRun, { library, display, updateShown }: RunDisplay): void {
  const text = () => ({ 'text/plain': run.statusLine() })
  const picture = () => {
    const figure = library.runFigure('dashboard', [{ name: run.name, records: [...run.records] }])
    return { 'image/svg+xml': library.renderSvg(figure, { theme: 'light' }), 'text/plain': '' }
  }
  const status = display(text(), { raw: true })
  const figure = display({ 'text/plain': '' }, { raw: true })
  const drawStatus = () => status.update(text(), { raw: true })
  const drawFigure = () => figure.update(picture(), { raw: true })
  const slow = [atMostEvery(STATUS_MS, drawStatus), atMostEvery(PICTURE_MS, drawFigure)]
  run.events.on('record', () => {
    for (const draw of slow) draw.ask()
  })
  run.events.on('status', () => drawStatus())
  const end = () => {
    for (const draw of slow) draw.cancel()
    // a cell that was interrupted shows no more, but how its run ended has to be said
    updateShown(status.id, text())
    if (run.records.length > 0) updateShown(figure.id, picture())
  }
  run.then(end, end)
}

/** Calls `draw` soon after it is asked for, but never twice within `ms`; the last request is always served. */
function atMostEvery(ms: number, draw: () => void): { ask: () => void; cancel: () => void } {
  let timer: NodeJS.Timeout | null = null
  let drawnAt = 0
  const now = () => {
    timer = null
    drawnAt = performance.now()
    draw()
  }
  return {
    ask: () => {
      timer ??= setTimeout(now, Math.max(0, ms - (performance.now() - drawnAt)))
    },
    cancel: () => {
      if (timer) clearTimeout(timer)
      timer = null
    },
  }
}
