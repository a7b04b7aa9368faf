import { type Cell, type CellCanvas, type Charset, linePoints, setDot } from './cells.js'
import type { BandSeries, BarSeries, Dash, LineSeries, Panel, Series, TileSeries, Value } from './figure.js'
import type { Scale } from './scale.js'

export interface TerminalPlot {
  canvas: CellCanvas
  scales: { x: Scale; y: Scale }
  panel: Panel
  charset: Charset
  /** Whether pale things can be told from strong ones; without colour they are left out. */
  color: boolean
}

type Dot = [x: number, y: number]

/** Dots on and off along a line. */
const dashPatterns: Record<Dash, [on: number, off: number]> = {
  solid: [1, 0],
  dash: [6, 4],
  dot: [1, 2],
  dashdot: [7, 3],
  longdash: [12, 4],
  longdashdot: [14, 3],
}

const marks = ['*', '+', 'o', 'x', '#', '@']

function penOf({ panel }: TerminalPlot, series: Series): { color: Series['color']; mark: string } {
  const visible = panel.series.filter(one => !(one.kind === 'band' && !one.solid) && !('faint' in one && one.faint))
  return { color: series.color, mark: marks[Math.max(0, visible.indexOf(series)) % marks.length]! }
}

function toDot({ canvas, scales }: TerminalPlot, x: Value | undefined, y: Value | undefined): Dot | null {
  const [fx, fy] = [scales.x.at(x), scales.y.at(y)]
  if (fx === null || fy === null) return null
  return [Math.round(fx * (canvas.columns * 2 - 1)), Math.round((1 - fy) * (canvas.rows * 4 - 1))]
}

function drawLine(plot: TerminalPlot, series: LineSeries): void {
  const pen = penOf(plot, series)
  const [on, off] = dashPatterns[series.dash]
  let walked = 0
  let previous: Dot | null = null
  series.x.forEach((x, i) => {
    const dot = toDot(plot, x, series.y[i])
    if (dot) {
      const corner: Dot[] = previous && series.kind === 'step' ? [[dot[0], previous[1]]] : []
      let from = previous ?? dot
      for (const to of [...corner, dot]) {
        for (const [px, py] of linePoints(...from, ...to)) {
          // the first dot of a segment is the last of the one before; counting it twice would distort the dashes
          if (walked++ % (on + off) < on) setDot(plot.canvas, px, py, pen)
        }
        from = to
      }
    }
    previous = dot
  })
}

function fillColumn(plot: TerminalPlot, series: Series, x: number, [top, bottom]: [number, number]): void {
  const pen = penOf(plot, series)
  const last = plot.canvas.rows * 4 - 1
  for (let y = Math.max(0, Math.min(top, bottom)); y <= Math.min(last, Math.max(top, bottom)); y++)
    setDot(plot.canvas, x, y, pen)
}

/** A solid band is filled between its points; a confidence band has no place in dots and is left out. */
function drawBand(plot: TerminalPlot, series: BandSeries): void {
  if (!series.solid) return
  let previous: { low: Dot; high: Dot } | null = null
  series.x.forEach((x, i) => {
    const [low, high] = [toDot(plot, x, series.low[i]), toDot(plot, x, series.high[i])]
    const here = low && high ? { low, high } : null
    if (here) {
      const from = previous ?? here
      const width = Math.max(1, here.low[0] - from.low[0])
      for (let column = from.low[0]; column <= here.low[0]; column++) {
        const t = (column - from.low[0]) / width
        const at = (a: Dot, b: Dot) => Math.round(a[1] + t * (b[1] - a[1]))
        // one dot less at the bottom keeps a seam between stacked parts
        fillColumn(plot, series, column, [at(from.high, here.high) + 1, at(from.low, here.low)])
      }
    }
    previous = here
  })
}

function drawBars(plot: TerminalPlot, series: BarSeries): void {
  const bars = plot.panel.series.filter(one => one.kind === 'bar')
  const { domain } = plot.scales.x
  const unit = (plot.canvas.columns * 2) / (domain[1] - domain[0])
  const width = Math.max(1, Math.floor((0.75 * unit) / bars.length))
  const start = Math.round((bars.indexOf(series) - bars.length / 2) * width)
  series.x.forEach((x, i) => {
    const [dot, zero] = [toDot(plot, x, series.y[i]), toDot(plot, x, 0)]
    if (!dot) return
    for (let column = 0; column < Math.max(1, width - 1); column++)
      fillColumn(plot, series, dot[0] + start + column, [dot[1], zero?.[1] ?? plot.canvas.rows * 4 - 1])
  })
}

function fillRectangle({ canvas }: TerminalPlot, [x0, x1]: Dot, [y0, y1]: Dot, cell: Cell): void {
  for (let row = Math.max(0, y0); row < Math.min(canvas.rows, y1); row++)
    for (let column = Math.max(0, x0); column < Math.min(canvas.columns, x1); column++)
      canvas.front[row * canvas.columns + column] = cell
}

/** Tiles of three cells or more keep one between them; narrower ones touch. */
function drawTiles(plot: TerminalPlot, series: TileSeries): void {
  const { canvas, scales, charset } = plot
  const char = charset === 'ascii' ? (series.faint ? '.' : '#') : series.faint ? '░' : '█'
  const gap = canvas.columns / (scales.x.domain[1] - scales.x.domain[0]) >= 3 ? 1 : 0
  for (const tile of series.tiles) {
    const x = [scales.x.at(tile.x - 0.5), scales.x.at(tile.x + 0.5)].map(at => Math.round((at ?? 0) * canvas.columns))
    const y = [scales.y.at(tile.y + 0.3), scales.y.at(tile.y - 0.3)].map(at =>
      Math.round((1 - (at ?? 0)) * canvas.rows),
    )
    const columns: Dot = [x[0]!, Math.max(x[0]! + 1, x[1]! - gap)]
    fillRectangle(plot, columns, [y[0]!, Math.max(y[0]! + 1, y[1]!)], { char, color: series.color })
  }
}

/** Draws one series into the cells. */
export function drawCells(plot: TerminalPlot, series: Series): void {
  if ('faint' in series && series.faint && series.kind !== 'tile' && !plot.color) return
  if (series.kind === 'band') drawBand(plot, series)
  else if (series.kind === 'bar') drawBars(plot, series)
  else if (series.kind === 'tile') drawTiles(plot, series)
  else drawLine(plot, 'faint' in series && series.faint ? { ...series, color: 'muted' } : series)
}
