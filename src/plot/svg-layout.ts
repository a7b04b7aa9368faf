import { labelledSeries, lastPoint, legendEntries, spread } from './end-labels.js'
import { axisTitle, type Figure, type LegendEntry, type Panel, panelsOf, type Series } from './figure.js'
import { panelScales, type Scale } from './scale.js'
import { fitPixels, pixelWidth, wrapPixels } from './text.js'
import { axisTicks, type Tick } from './ticks.js'

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

/** A name beside the end of its line. */
export interface EndLabel {
  series: Series
  text: string
  /** Where the line ends and where its label stands, in pixels. */
  fromX: number
  fromY: number
  y: number
}

export interface PanelLayout {
  panel: Panel
  outer: Box
  plot: Box
  scales: { x: Scale; y: Scale } | null
  xTicks: Tick[]
  yTicks: Tick[]
  endLabels: EndLabel[]
}

export interface LegendItem {
  entry: LegendEntry
  text: string
  x: number
  y: number
}

export interface FigureLayout {
  width: number
  height: number
  legend: LegendItem[]
  panels: PanelLayout[]
  captionLines: string[]
  captionY: number
}

export const sizes = { title: 16, panelTitle: 13, text: 12, small: 11, margin: 16, labelGap: 15 } as const

/** More lines than this are told apart by a legend; up to here each carries its name at its end. */
const MAX_END_LABELS = 6
const MIN_WIDTH_FOR_END_LABELS = 380
const LEGEND_SWATCH = 34
const GAP = 28

/** Whether lines are named at their ends instead of in a legend. */
function namedAtEnds(figure: Figure, panelWidth: number): boolean {
  const counts = figure.panels.map(panel => labelledSeries(panel).length)
  return panelWidth >= MIN_WIDTH_FOR_END_LABELS && counts.some(n => n > 0) && counts.every(n => n <= MAX_END_LABELS)
}

function placeLegend(entries: LegendEntry[], top: number, width: number): { items: LegendItem[]; bottom: number } {
  let x: number = sizes.margin
  let y = top + 10
  const items = entries.map(entry => {
    const text = fitPixels(entry.label, sizes.text, width - 2 * sizes.margin - LEGEND_SWATCH)
    const needed = LEGEND_SWATCH + pixelWidth(text, sizes.text) + 18
    if (x > sizes.margin && x + needed > width - sizes.margin) {
      x = sizes.margin
      y += 20
    }
    const item = { entry, text, x, y }
    x += needed
    return item
  })
  return { items, bottom: items.length > 0 ? y + 10 : top }
}

function endLabelsOf(panel: Panel, plot: Box, scales: { x: Scale; y: Scale }, room: number): EndLabel[] {
  const found = labelledSeries(panel).flatMap(series => {
    const point = lastPoint(series, scales)
    if (!point) return []
    const [x, y] = [plot.x + point[0] * plot.width, plot.y + (1 - Math.min(1, Math.max(0, point[1]))) * plot.height]
    return [{ series, text: fitPixels(series.label!, sizes.text, room), fromX: x, fromY: y, y }]
  })
  const ys = spread(
    found.map(label => label.y),
    sizes.labelGap,
    [plot.y, plot.y + plot.height],
  )
  return found.map((label, i) => ({ ...label, y: ys[i]! }))
}

function xTicksFor(panel: Panel, scale: Scale, width: number): Tick[] {
  for (let count = Math.max(1, Math.floor(width / 70)); count > 1; count--) {
    const ticks = axisTicks(panel.xAxis, scale.domain, count)
    const widest = Math.max(0, ...ticks.map(tick => pixelWidth(tick.label, sizes.small)))
    if (ticks.length * (widest + 16) <= width) return ticks
  }
  return axisTicks(panel.xAxis, scale.domain, 1)
}

function layoutPanel(panel: Panel, outer: Box, atEnds: boolean): PanelLayout {
  const scales = panelScales(panel)
  const top = (panel.title ? 22 : 0) + (axisTitle(panel.yAxis) ? 22 : 8)
  const height = outer.height - top - (axisTitle(panel.xAxis) ? 42 : 24)
  const yTicks = scales ? axisTicks(panel.yAxis, scales.y.domain, Math.max(2, Math.floor(height / 36))) : []
  const left = Math.min(outer.width / 4, Math.max(24, ...yTicks.map(t => pixelWidth(t.label, sizes.small) + 10)))
  const widest = Math.max(0, ...labelledSeries(panel).map(s => pixelWidth(s.label!, sizes.text)))
  const room = atEnds && scales ? Math.min(widest, outer.width * 0.3) : 0
  const plot = {
    x: outer.x + left,
    y: outer.y + top,
    width: Math.max(10, outer.width - left - (room > 0 ? room + 16 : 10)),
    height: Math.max(10, height),
  }
  return {
    panel,
    outer,
    plot,
    scales,
    xTicks: scales ? xTicksFor(panel, scales.x, plot.width) : [],
    yTicks,
    endLabels: scales && atEnds ? endLabelsOf(panel, plot, scales, room) : [],
  }
}

function defaultPanelHeight(figure: Figure): number {
  if (figure.panels.some(panel => panel.series.some(series => series.kind === 'tile'))) return 190
  return figure.panels.length > 1 ? 290 : 350
}

/**
 * Places everything of a figure in a rectangle.
 * @param options width in pixels; height of the whole, or null for what the panels need
 */
export function layoutFigure(figure: Figure, options: { width: number; height: number | null }): FigureLayout {
  const { width } = options
  const inner = width - 2 * sizes.margin
  const allPanels = panelsOf(figure)
  const columns = Math.max(1, Math.min(figure.columns, allPanels.length, Math.floor((inner + GAP) / (260 + GAP))))
  const rows = Math.max(1, Math.ceil(allPanels.length / columns))
  const panelWidth = (inner - (columns - 1) * GAP) / columns
  const atEnds = namedAtEnds(figure, panelWidth)
  const legend = placeLegend(atEnds ? [] : legendEntries(figure), 39, width)
  const captionLines = wrapPixels(figure.caption, sizes.small, inner)
  const captionHeight = captionLines.length > 0 ? captionLines.length * 15 + 8 : 0
  const panelsTop = legend.bottom + 8
  const free = (options.height ?? 0) - panelsTop - captionHeight - sizes.margin / 2
  const rowHeight = options.height === null ? defaultPanelHeight(figure) : Math.max(90, free / rows - GAP / 2)
  const panels = allPanels.map((panel, i) => {
    const x = sizes.margin + (i % columns) * (panelWidth + GAP)
    const y = panelsTop + Math.floor(i / columns) * (rowHeight + GAP / 2)
    return layoutPanel(panel, { x, y, width: panelWidth, height: rowHeight }, atEnds)
  })
  const captionY = panelsTop + rows * (rowHeight + GAP / 2)
  return {
    width,
    height: captionY + captionHeight + 4,
    legend: legend.items,
    panels,
    captionLines,
    captionY: captionY + 8,
  }
}
