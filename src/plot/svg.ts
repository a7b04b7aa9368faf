import { axisTitle, type Figure } from './figure.js'
import { type FigureLayout, type LegendItem, layoutFigure, type PanelLayout, sizes } from './svg-layout.js'
import { darkStyle, element, FONT, painter, px, type SvgTheme, textAt } from './svg-paint.js'
import { type Canvas, dashArrays, drawSeries, markerPath } from './svg-series.js'
import { escapeXml, fitPixels, pixelWidth } from './text.js'

export interface SvgOptions {
  /** Pixels; default 760 for one column of panels, 1040 for more. */
  width?: number
  /** Pixels; default: what the panels need. */
  height?: number
  /** Default `auto`. */
  theme?: SvgTheme
}

type Painter = ReturnType<typeof painter>

const SMALL = { 'font-size': sizes.small }

function drawLegend({ entry, text, x, y }: LegendItem, paint: Painter): string {
  const middle = y - 4
  const swatch =
    entry.swatch === 'area'
      ? element('rect', { x: x + 8, y: middle - 6, width: 16, height: 12, rx: 2, ...paint({ fill: entry.color }) })
      : element('path', {
          d: `M${px(x)} ${px(middle)}h26`,
          ...paint({ stroke: entry.color }),
          'stroke-width': 2,
          'stroke-dasharray': dashArrays[entry.dash],
        })
  const marker =
    entry.marker === 'none' || entry.swatch === 'area'
      ? ''
      : element('path', {
          d: markerPath(entry.marker, [x + 13, middle], 3.2),
          ...paint({ fill: entry.color, stroke: 'background' }),
        })
  return swatch + marker + textAt(x + 32, y, text, { 'font-size': sizes.text, ...paint({ fill: 'ink' }) })
}

function drawGrid({ panel, plot, scales, xTicks, yTicks }: PanelLayout, paint: Painter): string {
  if (!scales) return ''
  const tiles = panel.series.some(series => series.kind === 'tile')
  const bottom = plot.y + plot.height
  const rows = yTicks.map(tick => {
    const y = plot.y + (1 - scales.y.at(tick.value)!) * plot.height
    const label = textAt(plot.x - 8, y + 4, tick.label, {
      'text-anchor': 'end',
      ...SMALL,
      ...paint({ fill: 'muted-text' }),
    })
    const line = element('path', { d: `M${px(plot.x)} ${px(y)}h${px(plot.width)}`, ...paint({ stroke: 'grid' }) })
    return (tiles ? '' : line) + label
  })
  const marks = xTicks.map(tick => {
    const x = plot.x + scales.x.at(tick.value)! * plot.width
    const label = textAt(x, bottom + 17, tick.label, {
      'text-anchor': 'middle',
      ...SMALL,
      ...paint({ fill: 'muted-text' }),
    })
    return (tiles ? '' : element('path', { d: `M${px(x)} ${px(bottom)}v4`, ...paint({ stroke: 'axis' }) })) + label
  })
  const axisLine = element('path', {
    d: `M${px(plot.x)} ${px(bottom)}h${px(plot.width)}`,
    ...paint({ stroke: 'axis' }),
  })
  return rows.join('') + (tiles ? '' : axisLine) + marks.join('')
}

function drawTitles({ panel, outer, plot }: PanelLayout, paint: Painter): string {
  const parts: string[] = []
  const clip = (text: string, size: number) => fitPixels(text, size, outer.width)
  if (panel.title) {
    const style = { 'font-size': sizes.panelTitle, 'font-weight': 600, ...paint({ fill: 'ink' }) }
    parts.push(textAt(outer.x, outer.y + 13, clip(panel.title, sizes.panelTitle), style))
  }
  const muted = { 'font-size': sizes.text, ...paint({ fill: 'muted-text' }) }
  if (axisTitle(panel.yAxis)) parts.push(textAt(outer.x, plot.y - 12, clip(axisTitle(panel.yAxis), sizes.text), muted))
  const xTitle = fitPixels(axisTitle(panel.xAxis), sizes.text, plot.width)
  const centred = { 'text-anchor': 'middle', ...muted }
  if (xTitle) parts.push(textAt(plot.x + plot.width / 2, plot.y + plot.height + 36, xTitle, centred))
  return parts.join('')
}

/** Remarks stand right of the y title, as far as there is room for them. */
function drawNotes({ panel, outer, plot, scales }: PanelLayout, paint: Painter): string {
  const text = panel.annotations.flatMap(annotation => (annotation.kind === 'note' ? [annotation.text] : [])).join('  ')
  const used = outer.x + pixelWidth(axisTitle(panel.yAxis), sizes.text) + 16
  const right = outer.x + outer.width
  if (!scales || text === '' || used + pixelWidth(text, sizes.small) > right) return ''
  return textAt(right, plot.y - 12, text, { 'text-anchor': 'end', ...SMALL, ...paint({ fill: 'muted-text' }) })
}

/** Vertical marks; a label that would run into the one before it is left out, its line stays. */
function drawMarks({ panel, plot, scales }: PanelLayout, paint: Painter): string {
  let free = plot.x
  return panel.annotations
    .filter(annotation => annotation.kind === 'vline')
    .map(mark => ({ text: mark.text, at: scales?.x.at(mark.x) ?? null }))
    .filter((mark): mark is { text: string; at: number } => mark.at !== null && mark.at >= 0 && mark.at <= 1)
    .sort((a, b) => a.at - b.at)
    .map(({ text, at }) => {
      const x = plot.x + at * plot.width
      const line = element('path', {
        d: `M${px(x)} ${px(plot.y)}v${px(plot.height)}`,
        ...paint({ stroke: 'muted' }),
        'stroke-dasharray': '2 3',
      })
      const end = x + 4 + pixelWidth(text, 10)
      if (x < free || end > plot.x + plot.width) return line
      free = end + 4
      return line + textAt(x + 4, plot.y + plot.height - 5, text, { 'font-size': 10, ...paint({ fill: 'muted-text' }) })
    })
    .join('')
}

function drawEndLabels({ plot, endLabels }: PanelLayout, paint: Painter): string {
  const edge = plot.x + plot.width
  return endLabels
    .map(({ series, text, fromX, fromY, y }) => {
      const distant = Math.abs(y - fromY) > 3 || edge - fromX > 12
      const leader = element('path', {
        d: `M${px(fromX + 5)} ${px(fromY)}L${px(Math.max(edge - 2, fromX + 5))} ${px(fromY)}L${px(edge + 8)} ${px(y)}`,
        ...paint({ stroke: series.color }),
        'stroke-opacity': '0.45',
      })
      const style = { 'font-size': sizes.text, 'font-weight': 500, ...paint({ fill: `${series.color}-text` }) }
      const halo = series.kind === 'band' && series.solid ? paint({ fill: 'ink' }) : {}
      return (distant && series.kind !== 'band' ? leader : '') + textAt(edge + 10, y + 4, text, { ...style, ...halo })
    })
    .join('')
}

/** Series are drawn in an inner viewport, which clips them to the plot area without needing an id. */
function drawPlot(layout: PanelLayout, paint: Painter): string {
  const { panel, plot, scales } = layout
  if (!scales) {
    const style = { 'text-anchor': 'middle', 'font-size': 14, ...paint({ fill: 'muted-text' }) }
    const frame = { x: plot.x, y: plot.y, width: plot.width, height: plot.height, rx: 4, ...paint({ stroke: 'grid' }) }
    return element('rect', frame) + textAt(plot.x + plot.width / 2, plot.y + plot.height / 2 + 5, 'no data yet', style)
  }
  // markers on the edge of the area need a little room beyond it
  const room = 5
  const frame = { x: room, y: room, width: plot.width, height: plot.height }
  const canvas: Canvas = { frame, scales, paint, panel }
  const box = { x: plot.x - room, y: plot.y - room, width: plot.width + 2 * room, height: plot.height + 2 * room }
  const zero = panel.zeroLine ? scales.y.at(0) : null
  const zeroLine = zero === null ? '' : zeroRule(layout, zero, paint)
  return (
    zeroLine +
    element(
      'svg',
      { ...box, overflow: 'hidden' },
      panel.series.map(series => drawSeries(canvas, series)),
    )
  )
}

function zeroRule({ plot }: PanelLayout, zero: number, paint: Painter): string {
  const y = plot.y + (1 - zero) * plot.height
  const d = `M${px(plot.x)} ${px(y)}h${px(plot.width)}`
  return element('path', { d, ...paint({ stroke: 'ink' }), 'stroke-width': 1.25 })
}

function drawPanel(layout: PanelLayout, paint: Painter): string {
  return element('g', {}, [
    drawTitles(layout, paint),
    drawGrid(layout, paint),
    drawMarks(layout, paint),
    drawPlot(layout, paint),
    drawNotes(layout, paint),
    drawEndLabels(layout, paint),
  ])
}

function drawCaption({ captionLines, captionY }: FigureLayout, paint: Painter): string {
  const style = { ...SMALL, ...paint({ fill: 'muted-text' }) }
  return captionLines.map((line, i) => textAt(sizes.margin, captionY + i * 15, line, style)).join('')
}

/**
 * A figure as a complete SVG document: no ids, no scripts, no external fonts or files, all text escaped, all coordinates finite. It reads
 * on light and dark pages alike because it brings its own background. A panel without a drawable point says `no data yet`.
 */
export function renderSvg(figure: Figure, options: SvgOptions = {}): string {
  const { width = figure.columns > 1 && figure.panels.length > 1 ? 1040 : 760, theme = 'auto' } = options
  const paint = painter(theme)
  const layout = layoutFigure(figure, { width, height: options.height ?? null })
  const heading = { 'font-size': sizes.title, 'font-weight': 600, ...paint({ fill: 'ink' }) }
  const root = {
    xmlns: 'http://www.w3.org/2000/svg',
    class: 'lab-figure',
    viewBox: `0 0 ${px(width)} ${px(layout.height)}`,
    // shrinks with a narrow column of a notebook or page
    style: 'max-width:100%;height:auto',
    width,
    height: layout.height,
    role: 'img',
    'font-family': FONT,
  }
  return element('svg', root, [
    `<title>${escapeXml(figure.title)}</title>`,
    `<desc>${escapeXml(figure.caption)}</desc>`,
    darkStyle(theme),
    element('rect', { width, height: layout.height, ...paint({ fill: 'background' }) }),
    textAt(sizes.margin, 27, fitPixels(figure.title, sizes.title, width - 2 * sizes.margin), heading),
    ...layout.legend.map(item => drawLegend(item, paint)),
    ...layout.panels.map(panel => drawPanel(panel, paint)),
    drawCaption(layout, paint),
  ])
}
