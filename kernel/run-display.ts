/** What a cell shows of a run that it has started: a line and a plot that follow the run, and stay as it ended. */
import { dirname } from 'node:path'
import type { Lab, LiveOutput, LiveServer, TrainingRun } from '../src/index.js'
import type { Display } from './evaluator/display.js'
import type { Library } from './evaluator/evaluator.js'
import type { MimeBundle } from './evaluator/types.js'

/** How often the status line, and a picture that no page covers, change, in milliseconds. */
const STATUS_MS = 500
const PICTURE_MS = 1000

/** How often a picture under an open page is renewed: it is what a notebook keeps that is saved meanwhile. */
const COVERED_MS = 15_000

/** Changes what is shown under an id, also when the cell that showed it was interrupted since. */
export type UpdateShown = (displayId: string, data: MimeBundle) => void

export interface RunDisplayWorld {
  readonly library: Library
  readonly lab: Lab
  readonly display: Display
  readonly updateShown: UpdateShown
}

const nothing: MimeBundle = { 'text/plain': '' }

/**
 * Shows a run below the cell: a status line, a place for the live page, and a picture. Where the front end runs scripts and reaches this
 * machine, the page hides the picture; it is told of every step and can pause, stop and move gates. The picture goes on being drawn under
 * it, so that a notebook saved at any time holds one; when the run has ended, nothing but the picture is left.
 */
export function showRun(run: TrainingRun, { library, lab, display, updateShown }: RunDisplayWorld): void {
  const text = () => ({ 'text/plain': run.statusLine() })
  const figure = () => library.runFigure('dashboard', [{ name: run.name, records: [...run.records] }])
  const status = display(text(), { raw: true })
  const page = display(nothing, { raw: true })
  const picture = display(nothing, { raw: true })
  let live: { server: LiveServer; output: LiveOutput } | null = null
  let drawnAt = Number.NEGATIVE_INFINITY
  const drawStatus = () => status.update(text(), { raw: true })
  const drawPicture = () => {
    const isCovered = live !== null && live.server.clientsOf(live.output.ticket) > 0
    const now = performance.now()
    if (isCovered && now - drawnAt < COVERED_MS) return
    drawnAt = now
    picture.update(live ? library.coveredBundle(figure(), live.output) : library.staticBundle(figure()), { raw: true })
  }
  const attach = (server: LiveServer) => {
    live = { server, output: library.liveOutput(server, { canWrite: true }) }
    page.update({ 'text/html': library.liveFrame(server, live.output), 'text/plain': '' }, { raw: true })
  }
  const slow = [atMostEvery(STATUS_MS, drawStatus), atMostEvery(PICTURE_MS, drawPicture)]
  // the page shows the runs of the session's folder; of another one, and without a server, there is the picture
  if (dirname(run.dir) === lab.runsDir)
    lab.serve().then(
      server => run.isOver || attach(server),
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
    updateShown(page.id, nothing)
    // a run that has ended before it recorded anything has no picture
    updateShown(picture.id, run.records.length > 0 ? library.staticBundle(figure()) : nothing)
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
