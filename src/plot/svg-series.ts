import type { BandSeries, BarSeries, Dash, LineSeries, Marker, Panel, Series, TileSeries, Value } from './figure.js'
import type { Scale } from './scale.js'
import type { Box } from './svg-layout.js'
import { element, type painter, px, textAt } from './svg-paint.js'
import { escapeXml, pixelWidth } from './text.js'

/** What a series needs to know to draw itself; `frame` is the plot area in the coordinates of the drawing. */
export interface Canvas {
  frame: Box
  scales: { x: Scale; y: Scale }
  paint: ReturnType<typeof painter>
  panel: Panel
}

type Point = [x: number, y: number]

export const dashArrays: Record<Dash, string | null> = {
  solid: null,
  dash: '7 4',
  dot: '1.5 4',
  dashdot: '8 3 1.5 3',
  longdash: '15 4',
  longdashdot: '16 3 1.5 3',
}

/** Pixel positions of points, null where nothing can be drawn. */
function project({ frame, scales }: Canvas, xs: Value[], ys: Value[]): (Point | null)[] {
  return xs.map((value, i) => {
    const [x, y] = [scales.x.at(value), scales.y.at(ys[i])]
    return x === null || y === null ? null : [frame.x + x * frame.width, frame.y + (1 - y) * frame.height]
  })
}

/** Stretches of points without a gap. */
function stretches(points: (Point | null)[]): Point[][] {
  const found: Point[][] = [[]]
  for (const point of points) {
    if (point) found.at(-1)!.push(point)
    else if (found.at(-1)!.length > 0) found.push([])
  }
  return found.filter(stretch => stretch.length > 0)
}

function pathOf(points: Point[], kind: 'line' | 'step'): string {
  return points
    .map(([x, y], i) =>
      i === 0 ? `M${px(x)} ${px(y)}` : kind === 'step' ? `H${px(x)}V${px(y)}` : `L${px(x)} ${px(y)}`,
    )
    .join('')
}

/** The outline of a marker of radius r around a point. */
export function markerPath(marker: Marker, [x, y]: Point, r: number): string {
  const poly = (...corners: Point[]) => `${pathOf(corners, 'line')}Z`
  if (marker === 'square') return poly([x - r, y - r], [x + r, y - r], [x + r, y + r], [x - r, y + r])
  if (marker === 'diamond') return poly([x, y - 1.3 * r], [x + 1.3 * r, y], [x, y + 1.3 * r], [x - 1.3 * r, y])
  if (marker === 'triangle') return poly([x, y - 1.3 * r], [x + 1.2 * r, y + 0.9 * r], [x - 1.2 * r, y + 0.9 * r])
  return `M${px(x - r)} ${px(y)}a${px(r)} ${px(r)} 0 1 0 ${px(2 * r)} 0a${px(r)} ${px(r)} 0 1 0 ${px(-2 * r)} 0Z`
}

function drawLine(canvas: Canvas, series: LineSeries): string {
  const parts = stretches(project(canvas, series.x, series.y))
  const lines = parts.filter(part => part.length > 1)
  const dots = series.marker === 'none' ? parts.filter(part => part.length === 1).flat() : parts.flat()
  const stroke = canvas.paint({ stroke: series.color })
  const line = element('path', {
    d: lines.map(part => pathOf(part, series.kind)).join(''),
    ...stroke,
    'stroke-width': series.faint ? 1 : 2,
    'stroke-opacity': series.faint ? '0.25' : null,
    'stroke-dasharray': dashArrays[series.dash],
    'stroke-linejoin': 'round',
    'stroke-linecap': 'round',
  })
  const markers = element('path', {
    d: dots.map(point => markerPath(series.marker, point, series.faint ? 1.5 : 3.2)).join(''),
    ...canvas.paint({ fill: series.color, stroke: 'background' }),
    'stroke-width': 1,
  })
  return (lines.length > 0 ? line : '') + (dots.length > 0 ? markers : '')
}

function drawBand(canvas: Canvas, series: BandSeries): string {
  const lows = project(canvas, series.x, series.low)
  const highs = project(canvas, series.x, series.high)
  const low = stretches(lows.map((point, i) => (highs[i] ? point : null)))
  const high = stretches(highs.map((point, i) => (lows[i] ? point : null)))
  const d = low
    .map((part, i) => `${pathOf(high[i]!, 'line')}L${pathOf([...part].reverse(), 'line').slice(1)}Z`)
    .join('')
  if (d === '') return ''
  const edge = series.solid
    ? canvas.paint({ fill: series.color, stroke: 'background' })
    : canvas.paint({ fill: series.color })
  return element('path', { d, ...edge, 'fill-opacity': series.solid ? '0.75' : '0.14' }, [title(series.name)])
}

function title(text: string): string {
  return `<title>${escapeXml(text)}</title>`
}

function drawBars(canvas: Canvas, series: BarSeries): string {
  const { frame, scales, panel } = canvas
  const bars = panel.series.filter(one => one.kind === 'bar')
  const unit = frame.width / (scales.x.domain[1] - scales.x.domain[0])
  const width = Math.max(1, (0.7 * unit) / bars.length)
  const offset = (bars.indexOf(series) - bars.length / 2) * width
  const zero = frame.y + (1 - (scales.y.at(0) ?? 0)) * frame.height
  return project(canvas, series.x, series.y)
    .map((point, i) => {
      if (!point) return ''
      const [top, height] = [Math.min(point[1], zero), Math.abs(point[1] - zero)]
      const box = { x: point[0] + offset, y: top, width: Math.max(1, width - 1), height }
      return element('rect', { ...box, rx: 1, ...canvas.paint({ fill: series.color }) }, [
        title(`${series.name}: ${series.y[i]}`),
      ])
    })
    .join('')
}

function drawTiles(canvas: Canvas, series: TileSeries): string {
  const { frame, scales, paint } = canvas
  const unitX = frame.width / (scales.x.domain[1] - scales.x.domain[0])
  const unitY = frame.height / (scales.y.domain[1] - scales.y.domain[0])
  const points = project(
    canvas,
    series.tiles.map(tile => tile.x),
    series.tiles.map(tile => tile.y),
  )
  const [width, height] = [Math.max(1, Math.min(unitX - 2, 64)), Math.max(1, unitY / 2)]
  const widest = (size: number) => Math.max(0, ...series.tiles.map(tile => pixelWidth(tile.text, size)))
  const fontSize = [11, 10, 9, 8].find(size => widest(size) <= width)
  return series.tiles
    .map((tile, i) => {
      const point = points[i]
      if (!point) return ''
      const box = { x: point[0] - width / 2, y: point[1] - height / 2, width, height, rx: Math.min(4, width / 4) }
      const text = { 'text-anchor': 'middle', ...paint({ fill: series.faint ? 'ink' : 'background' }) }
      return element('g', {}, [
        title(tile.detail),
        element('rect', { ...box, ...paint({ fill: series.color }), 'fill-opacity': series.faint ? '0.28' : '0.95' }),
        fontSize ? textAt(point[0], point[1] + 4, tile.text, { 'font-size': fontSize, ...text }) : '',
      ])
    })
    .join('')
}

/** The drawing of one series. */
export function drawSeries(canvas: Canvas, series: Series): string {
  switch (series.kind) {
    case 'band':
      return drawBand(canvas, series)
    case 'bar':
      return drawBars(canvas, series)
    case 'tile':
      return drawTiles(canvas, series)
    default:
      return drawLine(canvas, series)
  }
}
