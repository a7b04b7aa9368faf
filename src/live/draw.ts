import { type RunFigureName, type RunFigureOptions, runFigure } from '../forgetting/figures.js'
import type { Figure } from '../plot/figure.js'
import { toPlotly } from '../plot/plotly.js'
import { hasData } from '../plot/scale.js'
import type { LiveRun } from './live-run.js'
import type { View } from './protocol.js'

/** Points of a curve that is sent to a page: two for each pixel that a panel is wide. */
const MAX_POINTS = 1000

/** How figures of more than two panels are laid out, over the whole width of the page: columns, and pixels a row. */
const WIDE_COLUMNS = 4
const WIDE_ROW = 240

/** Figures made of the records of training steps alone; the others are made of all other records, but for `dashboard`. */
const ofTraining: ReadonlySet<RunFigureName> = new Set(['loss', 'gradients', 'throughput', 'mix'])

/** The figure of all runs that the view does not hide. @param maxPoints points of each curve at most */
export function drawFigure(
  name: RunFigureName,
  runs: readonly LiveRun[],
  view: View,
  { maxPoints = MAX_POINTS }: { maxPoints?: number } = {},
): Figure {
  const { x, smoothing, logX, logY, clipOutliers, unit, forgottenProbe, hidden } = view
  const options: RunFigureOptions = {
    x,
    logX,
    clipOutliers,
    unit,
    maxPoints,
    allRuns: runs.map(run => run.name),
    ...(smoothing === null ? {} : { smoothing }),
    ...(logY === null ? {} : { logY }),
    ...(forgottenProbe === null ? {} : { forgottenProbe }),
  }
  const shown = runs.filter(run => !hidden.includes(run.name))
  return runFigure(
    name,
    shown.map(run => run.records),
    options,
  )
}

/** What a figure depends on, as text that changes when any of it does. */
export function figureKey(name: RunFigureName, runs: readonly LiveRun[], view: View): string {
  const versions = runs.map(({ name: run, version: { train, other } }) =>
    view.hidden.includes(run)
      ? run
      : [run, name === 'dashboard' ? train + other : ofTraining.has(name) ? train : other],
  )
  return JSON.stringify([name, view, versions])
}

/** A figure ready to be sent: the JSON of its message. */
export interface DrawnFigure {
  key: string
  json: string
  hasData: boolean
}

/** For each millisecond of drawing, so many of rest: the thread is also that of the session. */
const REST_FACTOR = 3

/** Draws figures and remembers the newest of each, because several pages commonly show the same. */
export class FigureDrawer {
  readonly #drawn = new Map<string, DrawnFigure>()
  #restUntilMs = 0

  /** Whether enough time has passed since the last drawing, so that all figures together take a quarter of the time at most. */
  get isRested(): boolean {
    return performance.now() >= this.#restUntilMs
  }

  /** The message of a figure as it is now. */
  draw(name: RunFigureName, runs: readonly LiveRun[], view: View): DrawnFigure {
    const key = figureKey(name, runs, view)
    const slot = JSON.stringify([name, view])
    const known = this.#drawn.get(slot)
    if (known?.key === key) return known
    const started = performance.now()
    const figure = drawFigure(name, runs, view)
    const isWide = figure.panels.length > 2
    const arranged = { ...figure, columns: isWide ? WIDE_COLUMNS : figure.columns }
    const plotly = toPlotly(arranged, { theme: view.theme, ...(isWide ? { rowHeight: WIDE_ROW } : {}) })
    const { title, caption } = figure
    const message = { type: 'figure', figure: name, title, caption, isWide, hasData: hasData(figure), plotly } as const
    const json = JSON.stringify(message)
    const drawn = { key, json, hasData: message.hasData }
    const now = performance.now()
    this.#restUntilMs = now + REST_FACTOR * (now - started)
    this.#remember(slot, drawn)
    return drawn
  }

  /** Views come and go with every move of a slider; the sixty-four newest are kept. */
  #remember(slot: string, drawn: DrawnFigure): void {
    this.#drawn.delete(slot)
    this.#drawn.set(slot, drawn)
    if (this.#drawn.size > 64) this.#drawn.delete(this.#drawn.keys().next().value!)
  }
}
