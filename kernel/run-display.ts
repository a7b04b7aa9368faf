/** What a cell shows of a run that it has started: a line and a plot that follow the run, and stay as it ended. */
import { dirname } from 'node:path'
import type { Figure, Lab, LiveOutput, LiveServer, TrainingRun } from '../src/index.js'
import type { Display } from './evaluator/display.js'
import type { Library } from './evaluator/evaluator.js'
import type { MimeBundle } from './evaluator/types.js'

/** How often the status line, and a plot that no page follows, change, in milliseconds. */
const STATUS_MS = 500
const PICTURE_MS = 1000

/** How often the picture below a live page is renewed: what a notebook keeps that is saved meanwhile. The page loads again then. */
const RENEW_MS = 300_000

/** Time in which a front end puts the live page into its output, if it can at all, and in which a page that was lost may come back. */
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
    // nor does a live page stay below a run that has ended before it recorded anything
    updateShown(plot.id, run.records.length > 0 ? library.staticBundle(figure()) : { 'text/plain': '' })
  }
  run.then(end, end)
}

/** A plot that is a live page where one can be shown, else a picture. */
class LivePlot {
  readonly #library: Library
  readonly #figure: () => Figure
  readonly #show: (bundle: MimeBundle) => void
  #live: { server: LiveServer; output: LiveOutput } | null = null
  #shownAt = 0
  #seenAt = 0

  constructor(library: Library, figure: () => Figure, show: (bundle: MimeBundle) => void) {
    this.#library = library
    this.#figure = figure
    this.#show = show
  }

  /** Offers the live page to the front end. */
  attach(server: LiveServer): void {
    this.#live = { server, output: this.#library.liveOutput(server, { canWrite: true }) }
    this.#showPage()
  }

  /** Draws what is new, unless a page does that, or may be about to. */
  draw(): void {
    const now = performance.now()
    if (!this.#live) {
      this.#show(this.#library.staticBundle(this.#figure()))
    } else if (this.#live.server.clientsOf(this.#live.output.ticket) > 0) {
      this.#seenAt = now
      if (now - this.#shownAt > RENEW_MS) this.#showPage()
    } else if (now - Math.max(this.#shownAt, this.#seenAt) > ATTACH_MS) this.#live = null
  }

  #showPage(): void {
    const { server, output } = this.#live!
    this.#shownAt = performance.now()
    this.#show(this.#library.liveBundle(server, this.#figure(), { output }))
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
