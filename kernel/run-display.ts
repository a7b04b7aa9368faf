/** What a cell shows of a run that it has started: a line and a plot that follow the run, and stay as it ended. */
import { dirname } from 'node:path'
import type { Figure, Lab, LiveServer, TrainingRun } from '../src/index.js'
import type { Display } from './evaluator/display.js'
import type { Library } from './evaluator/evaluator.js'
import type { MimeBundle } from './evaluator/types.js'

/** How often the status line, and a plot that no page follows, change, in milliseconds. */
const STATUS_MS = 500
const PICTURE_MS = 1000

/** How often the picture below a live page is renewed: what a notebook keeps that is saved meanwhile. The page loads again then. */
const ATTACHED_MS = 30_000

/** Time in which a front end puts the live page into its output, if it can at all. */
const ATTACH_MS = 5000

/** Changes what is shown under an id, also when the cell that showed it was interrupted since. */
export type UpdateShown = (displayId: string, data: MimeBundle) => void

export interface RunDisplayWorld {
  readonly library: Library
  readonly lab: Lab
  readonly display: Display
  readonly updateShown: UpdateShown
}

/**
 * Shows a run below the cell. Where the front end runs scripts and reaches this machine, the plot is the live page, which
 * is told of every step and can pause, stop and move gates; elsewhere it is a picture that is drawn anew. When the run has
 * ended, nothing but the picture is left in the notebook.
 */
export function showRun(run: TrainingRun, { library, lab, display, updateShown }: RunDisplayWorld): void {
  const text = () => ({ 'text/plain': run.statusLine() })
  const figure = () => library.runFigure('dashboard', [{ name: run.name, records: [...run.records] }])
  const status = display(text(), { raw: true })
  const plot = display({ 'text/plain': '' }, { raw: true })
  const live = new LivePlot(library, figure, bundle => plot.update(bundle, { raw: true }))
  const drawStatus = () => status.update(text(), { raw: true })
  const slow = [atMostEvery(STATUS_MS, drawStatus), atMostEvery(PICTURE_MS, () => live.draw())]
  // the page shows the runs of the session's folder; of another one, and without a server, there is the picture
  if (dirname(run.dir) === lab.runsDir)
    lab.serve().then(
      server => run.isOver || live.attach(server),
      () => undefined,
    )
  run.events.on('record', () => {
    for (const draw of slow) draw.ask()
  })
  run.events.on('status', () => drawStatus())
  const end = () => {
    for (const draw of slow) draw.cancel()
    // a cell that was interrupted shows no more, but how its run ended has to be said
    updateShown(status.id, text())
    if (run.records.length > 0) updateShown(plot.id, library.staticBundle(figure()))
  }
  run.then(end, end)
}

/** A plot that is a live page where one can be shown, else a picture. */
class LivePlot {
  readonly #library: Library
  readonly #figure: () => Figure
  readonly #show: (bundle: MimeBundle) => void
  #server: LiveServer | null = null
  #clientsBefore = 0
  #shownAt = 0

  constructor(library: Library, figure: () => Figure, show: (bundle: MimeBundle) => void) {
    this.#library = library
    this.#figure = figure
    this.#show = show
  }

  /** Offers the live page to the front end. */
  attach(server: LiveServer): void {
    this.#server = server
    this.#clientsBefore = server.clients
    this.#showPage(server)
  }

  /** Draws what is new, unless a page does that, or may be about to. */
  draw(): void {
    const server = this.#server
    if (!server) {
      this.#show(this.#library.staticBundle(this.#figure()))
      return
    }
    const sinceShown = performance.now() - this.#shownAt
    if (server.clients > this.#clientsBefore) {
      if (sinceShown > ATTACHED_MS) this.#showPage(server)
    } else if (sinceShown > ATTACH_MS) this.#server = null
  }

  #showPage(server: LiveServer): void {
    this.#shownAt = performance.now()
    this.#show(this.#library.liveBundle(server, this.#figure(), { canWrite: true }))
  }
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
