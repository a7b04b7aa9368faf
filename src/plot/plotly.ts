import {
  type Axis,
  axisTitle,
  type BandSeries,
  type BarSeries,
  type Figure,
  type LineSeries,
  type Panel,
  panelsOf,
  type Series,
  type TileSeries,
  type Value,
} from './figure.js'
import { palette, surfaces, type Theme } from './palette.js'
import { printable } from './text.js'

type Json = Record<string, unknown>

/** What `Plotly.newPlot(element, data, layout, config)` takes; plain JSON. */
export interface PlotlyFigure {
  data: Json[]
  layout: Json
  config: Json
}

/** Names of a panel's axes: `x`, `y`, then `x2`, `y2`, ...; in the layout `xaxis`, `xaxis2`, ... */
interface Slot {
  suffix: string
  theme: Theme
}

/** Plotly reads a subset of HTML in every text; names are data, so their markup is escaped. */
function safe(text: string): string {
  return printable(text).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function translucent(hex: string, alpha: number): string {
  const channels = [1, 3, 5].map(i => Number.parseInt(hex.slice(i, i + 2), 16))
  return `rgba(${channels.join(',')},${alpha})`
}

const symbols = { none: 'circle', circle: 'circle', square: 'square', diamond: 'diamond', triangle: 'triangle-up' }

function common(series: Series, { suffix }: Slot): Json {
  const name = safe(series.name)
  return { name, legendgroup: safe(series.group), xaxis: `x${suffix}`, yaxis: `y${suffix}` }
}

function lineTrace(series: LineSeries, slot: Slot): Json {
  const color = palette[series.color][slot.theme]
  return {
    ...common(series, slot),
    type: 'scatter',
    mode: series.marker === 'none' ? 'lines' : 'lines+markers',
    x: series.x,
    y: series.y,
    connectgaps: false,
    opacity: series.faint ? 0.3 : 1,
    line: { color, width: series.faint ? 1 : 2, dash: series.dash, shape: series.kind === 'step' ? 'hv' : 'linear' },
    marker: { color, size: 6, symbol: symbols[series.marker] },
    ...(series.faint ? { showlegend: false, hoverinfo: 'skip' } : { hovertemplate: '%{y:.4~g}' }),
  }
}

/** The part of the whole that a stacked band is. */
function thickness({ low, high }: BandSeries): Value[] {
  return high.map((top, i) => (top === null || low[i] == null ? null : top - low[i]))
}

/** Two traces: the invisible lower edge, and the upper edge filled down to it. */
function bandTraces(series: BandSeries, slot: Slot): Json[] {
  const color = palette[series.color][slot.theme]
  const edge = { ...common(series, slot), type: 'scatter', mode: 'lines', x: series.x, line: { color, width: 0 } }
  const silent = { showlegend: false, hoverinfo: 'skip' }
  return [
    { ...edge, ...silent, y: series.low },
    {
      ...edge,
      ...(series.solid ? { hovertemplate: '%{customdata:.1%}', customdata: thickness(series) } : silent),
      y: series.high,
      fill: 'tonexty',
      fillcolor: translucent(color, series.solid ? 0.75 : 0.15),
    },
  ]
}

function barTrace(series: BarSeries, slot: Slot): Json {
  const marker = { color: palette[series.color][slot.theme] }
  return { ...common(series, slot), type: 'bar', x: series.x, y: series.y, marker, hovertemplate: '%{y:.4~g}' }
}

function tileTrace(series: TileSeries, slot: Slot): Json {
  const longest = Math.max(1, ...series.tiles.map(tile => tile.x + 1))
  const color = palette[series.color][slot.theme]
  return {
    ...common(series, slot),
    type: 'scatter',
    mode: 'markers+text',
    x: series.tiles.map(tile => tile.x),
    y: series.tiles.map(tile => tile.y),
    text: series.tiles.map(tile => safe(tile.text)),
    hovertext: series.tiles.map(tile => safe(tile.detail)),
    hoverinfo: 'text',
    textposition: 'middle center',
    textfont: {
      size: longest > 24 ? 8 : 11,
      color: series.faint ? palette.ink[slot.theme] : surfaces[slot.theme].background,
    },
    marker: {
      color: translucent(color, series.faint ? 0.28 : 0.95),
      symbol: 'square',
      size: Math.min(34, Math.max(5, 700 / longest)),
    },
  }
}

function traces(series: Series, slot: Slot): Json[] {
  switch (series.kind) {
    case 'band':
      return bandTraces(series, slot)
    case 'bar':
      return [barTrace(series, slot)]
    case 'tile':
      return [tileTrace(series, slot)]
    default:
      return [lineTrace(series, slot)]
  }
}

function isTiled(panel: Panel): boolean {
  return panel.series.some(series => series.kind === 'tile')
}

/** Lines between tiles are part of the drawing, not data: no key, no hover. */
function panelTraces(panel: Panel, slot: Slot): Json[] {
  const tiled = isTiled(panel)
  return panel.series.flatMap(series => {
    const drawn = traces(series, slot)
    return tiled && series.kind === 'line'
      ? drawn.map(one => ({ ...one, showlegend: false, hoverinfo: 'skip' }))
      : drawn
  })
}

const tickFormats: Record<Axis['format'], Json> = {
  number: {},
  count: { tickformat: '~s' },
  seconds: { tickformat: '~s', ticksuffix: ' s' },
  bytes: { tickformat: '~s', ticksuffix: 'B' },
  percent: { tickformat: '.0%' },
}

/** Two fixed ends are a range; one is a bound for the range that plotly finds. Neither can be zero on a logarithmic axis. */
function rangeOf({ min, max, scale }: Axis): Json {
  const fixed = (end: number | null): end is number => end !== null && (scale === 'linear' || end > 0)
  const place = (end: number) => (scale === 'log' ? Math.log10(end) : end)
  if (fixed(min) && fixed(max)) return { range: [place(min), place(max)] }
  if (fixed(min)) return { autorangeoptions: { clipmin: min, include: min } }
  return fixed(max) ? { autorangeoptions: { clipmax: max, include: max } } : {}
}

/** The unit of a long label has a line of its own: plotly.js cuts what is longer than the axis. */
function titleText(axis: Axis): string {
  const whole = safe(axisTitle(axis))
  return axis.unit !== null && whole.length > 40 ? `${safe(axis.label)}<br>(${safe(axis.unit)})` : whole
}

function axisLayout(axis: Axis, zeroLine: boolean, theme: Theme): Json {
  const { grid, axis: line } = surfaces[theme]
  const log = axis.scale === 'log'
  const names = axis.categories && { tickvals: axis.categories.map((_, i) => i), ticktext: axis.categories.map(safe) }
  return {
    title: { text: titleText(axis), standoff: 8, font: { size: 12 } },
    type: log ? 'log' : 'linear',
    gridcolor: grid,
    linecolor: line,
    automargin: true,
    zeroline: zeroLine && !log,
    zerolinecolor: palette.ink[theme],
    zerolinewidth: 1.5,
    rangemode: zeroLine ? 'tozero' : 'normal',
    ...rangeOf(axis),
    ...tickFormats[axis.format],
    ...names,
  }
}

/** Tiles stand at whole numbers, with no lines between them. */
function tileAxis(panel: Panel): Json {
  const longest = Math.max(
    1,
    ...panel.series.flatMap(one => (one.kind === 'tile' ? one.tiles.map(tile => tile.x + 1) : [])),
  )
  return { showgrid: false, tick0: 0, dtick: Math.ceil(longest / 16), tickformat: 'd' }
}

/** The part of the figure that the i-th of `count` rows or columns takes. */
function domainOf(i: number, count: number, gap: number): [number, number] {
  const size = (1 - gap * (count - 1)) / count
  const start = i * (size + gap)
  return [start, Math.min(1, start + size)]
}

function remarks(panel: Panel, { suffix, theme }: Slot): { annotations: Json[]; shapes: Json[] } {
  const inside = { xref: `x${suffix} domain`, yref: `y${suffix} domain`, showarrow: false, yanchor: 'bottom' }
  const muted = { size: 11, color: palette.muted[theme] }
  const notes = panel.annotations.flatMap(note => (note.kind === 'note' ? [note.text] : [])).join('  ')
  const marks = panel.annotations.filter(mark => mark.kind === 'vline')
  // a mark on a logarithmic axis is placed by its logarithm
  const place = (x: number) => (panel.xAxis.scale === 'log' ? Math.log10(x) : x)
  const drawn = marks.filter(mark => panel.xAxis.scale === 'linear' || mark.x > 0)
  return {
    annotations: [
      ...(panel.title ? [{ ...inside, x: 0, y: 1.02, xanchor: 'left', text: `<b>${safe(panel.title)}</b>` }] : []),
      ...(notes ? [{ ...inside, x: 1, y: 1.02, xanchor: 'right', text: safe(notes), font: muted }] : []),
      ...drawn.map(mark => ({
        ...inside,
        xref: `x${suffix}`,
        x: place(mark.x),
        y: 0,
        xanchor: 'left',
        text: safe(mark.text),
        font: muted,
      })),
    ],
    shapes: drawn.map(mark => ({
      type: 'line',
      xref: `x${suffix}`,
      yref: `y${suffix} domain`,
      x0: mark.x,
      x1: mark.x,
      y0: 0,
      y1: 1,
      line: { color: palette.muted[theme], width: 1, dash: 'dot' },
    })),
  }
}

/** Without plotly's button that uploads the chart to a server: what a run measured stays on this machine. */
const plotlyConfig: Json = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false,
  plotlyServerURL: '',
  modeBarButtonsToRemove: ['sendChartToCloud', 'select2d', 'lasso2d'],
  toImageButtonOptions: { format: 'png', scale: 2 },
}

/** The same run in several panels has one key in the legend, which shows and hides it in all of them. */
function withOneKeyEach(data: Json[]): Json[] {
  const seen = new Set<unknown>()
  return data.map(trace => {
    if (trace['showlegend'] === false) return trace
    const showlegend = !seen.has(trace['legendgroup'])
    seen.add(trace['legendgroup'])
    return { ...trace, showlegend }
  })
}

/** All lines share one x at each point in time; a path that turns back does not. */
function isSeriesOverX(series: Series): boolean {
  if (series.kind === 'tile') return false
  const numbers = series.x.filter(value => value !== null)
  return numbers.every((value, i) => i === 0 || value >= numbers[i - 1]!)
}

const TILED_ROW = 220

export interface PlotlyOptions {
  /** Default `light`. */
  theme?: Theme
  /** Pixels for each row of panels with its axis and its share of the legend; default 360, for layer maps 220. */
  rowHeight?: number
}

/**
 * A figure as traces, layout and configuration of plotly.js 4. Zoom and visibility survive `Plotly.react` with a newer version of the
 * same figure (`uirevision` is its title).
 */
export function toPlotly(figure: Figure, { theme = 'light', rowHeight }: PlotlyOptions = {}): PlotlyFigure {
  const panels = panelsOf(figure)
  const columns = Math.max(1, Math.min(figure.columns, panels.length))
  const rows = Math.ceil(panels.length / columns)
  const slots = panels.map((_, i): Slot => ({ suffix: i === 0 ? '' : String(i + 1), theme }))
  const axes = panels.map((panel, i) => {
    const [x, y] = [
      domainOf(i % columns, columns, 0.24 / columns),
      domainOf(rows - 1 - Math.floor(i / columns), rows, (panels.some(isTiled) ? 0.4 : 0.25) / rows),
    ]
    const suffix = slots[i]!.suffix
    const [across, up] = isTiled(panel) ? [tileAxis(panel), { showgrid: false }] : [{}, {}]
    return {
      [`xaxis${suffix}`]: { ...axisLayout(panel.xAxis, false, theme), ...across, anchor: `y${suffix}`, domain: x },
      [`yaxis${suffix}`]: { ...axisLayout(panel.yAxis, panel.zeroLine, theme), ...up, anchor: `x${suffix}`, domain: y },
    }
  })
  const marks = panels.map((panel, i) => remarks(panel, slots[i]!))
  const ink = palette.ink[theme]
  const layout: Json = {
    ...Object.assign({}, ...axes),
    title: { text: safe(figure.title), x: 0, xref: 'paper', xanchor: 'left', font: { size: 16, weight: 600 } },
    font: { family: 'system-ui, "Segoe UI", Roboto, Arial, "DejaVu Sans", sans-serif', size: 12, color: ink },
    paper_bgcolor: surfaces[theme].background,
    plot_bgcolor: surfaces[theme].background,
    hoverlabel: { bgcolor: surfaces[theme].background, namelength: -1 },
    hovermode: panels.every(panel => panel.series.every(isSeriesOverX)) ? 'x unified' : 'closest',
    showlegend: panels.some(panel => panel.legend.length > 0),
    // clear of the axis title, which takes a larger part of the low rows of tiles
    legend: { orientation: 'h', x: 0, y: -(panels.some(isTiled) ? 0.34 : 0.18) / rows, yanchor: 'top' },
    barmode: 'group',
    margin: { l: 60, r: 20, t: 64, b: 48 },
    height: 60 + rows * (rowHeight ?? (panels.some(isTiled) ? TILED_ROW : 360)),
    annotations: marks.flatMap(mark => mark.annotations),
    shapes: marks.flatMap(mark => mark.shapes),
    uirevision: figure.title,
  }
  return {
    data: withOneKeyEach(panels.flatMap((panel, i) => panelTraces(panel, slots[i]!))),
    layout,
    config: plotlyConfig,
  }
}
