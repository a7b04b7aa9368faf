/**
 * A figure is plain data: JSON.stringify keeps all of it, every renderer (SVG, plotly, terminal) is a pure function of it.
 * A missing or non-finite value is null; a null in a line is a gap.
 */
export type Value = number | null

/** Colours are named by role; each renderer turns the name into the shade that reads on its background. */
export type ColorName = 'blue' | 'vermillion' | 'green' | 'purple' | 'orange' | 'sky' | 'yellow' | 'ink' | 'muted'

export type Dash = 'solid' | 'dash' | 'dot' | 'dashdot' | 'longdash' | 'longdashdot'
export type Marker = 'none' | 'circle' | 'square' | 'diamond' | 'triangle'

/** How tick labels are written: plain numbers, counts (12k), seconds (2 min), bytes (1.5 GB), shares (25 %). */
export type TickFormat = 'number' | 'count' | 'seconds' | 'bytes' | 'percent'

export interface Axis {
  label: string
  unit: string | null
  scale: 'linear' | 'log'
  format: TickFormat
  /** Ends of the axis; null takes them from the data. */
  min: number | null
  max: number | null
  /** Names for the values 0, 1, 2, ...; null for a numeric axis. */
  categories: string[] | null
}

interface SeriesHead {
  /** What a reader calls it, in hovers and legends. */
  name: string
  /** Series of one group are shown and hidden together: a line with its raw values and its band. */
  group: string
  color: ColorName
  /** The text at the end of the line when there is room for direct labels; null for none. */
  label: string | null
}

/** A line through points (`line`) or a staircase that holds each value until the next (`step`). */
export interface LineSeries extends SeriesHead {
  kind: 'line' | 'step'
  x: Value[]
  y: Value[]
  dash: Dash
  marker: Marker
  /** Drawn thin and pale, behind the rest; its outliers do not stretch the axis. */
  faint: boolean
}

/** The area between two curves: pale for a confidence band, solid for the parts of a whole. */
export interface BandSeries extends SeriesHead {
  kind: 'band'
  x: Value[]
  low: Value[]
  high: Value[]
  solid: boolean
}

/** Bars from zero at each x. */
export interface BarSeries extends SeriesHead {
  kind: 'bar'
  x: Value[]
  y: Value[]
}

/** A rectangle centred at (x, y) with a short text in it and a longer one for the hover. */
export interface Tile {
  x: number
  y: number
  text: string
  detail: string
}

/** Equal rectangles, one unit wide and half a unit high; pale when `faint`. */
export interface TileSeries extends SeriesHead {
  kind: 'tile'
  tiles: Tile[]
  faint: boolean
}

export type Series = LineSeries | BandSeries | BarSeries | TileSeries

/** A vertical line with a label, or a remark on how to read the panel, shown above it where there is room. */
export type Annotation = { kind: 'vline'; x: number; text: string } | { kind: 'note'; text: string }

/** One key of the legend; it may stand for several series (a probe's colour, a run's dash). */
export interface LegendEntry {
  label: string
  color: ColorName
  dash: Dash
  marker: Marker
  swatch: 'line' | 'area'
}

export interface Panel {
  title: string
  xAxis: Axis
  yAxis: Axis
  /** A heavier line at y = 0, which is then always inside the axis. */
  zeroLine: boolean
  series: Series[]
  annotations: Annotation[]
  legend: LegendEntry[]
}

export interface Figure {
  title: string
  /** What is drawn and how to read it, one or two sentences; empty for none. */
  caption: string
  /** Panels are laid out in rows of this many. */
  columns: number
  panels: Panel[]
}

/** An axis with every field set; `label` is the only one that must be given. */
export function axis(label: string, options: Partial<Omit<Axis, 'label'>> = {}): Axis {
  return { label, unit: null, scale: 'linear', format: 'number', min: null, max: null, categories: null, ...options }
}

/** Values far beyond any metric overflow the arithmetic of an axis; they count as missing. */
const LIMIT = 1e200

/** Whether a value can be drawn: a finite number below 1e200 in size. */
export function drawable(value: Value | undefined): value is number {
  return typeof value === 'number' && Math.abs(value) < LIMIT
}

/** Numbers as figure values: whatever cannot be drawn (NaN, infinities) becomes null. */
export function values(numbers: ArrayLike<number | null>): Value[] {
  const all = new Array<Value>(numbers.length)
  for (let i = 0; i < all.length; i++) {
    const value = numbers[i]
    all[i] = drawable(value) ? value : null
  }
  return all
}

/** The axis label with its unit: `loss (nats/token)`. */
export function axisTitle({ label, unit }: Axis): string {
  return unit === null ? label : `${label} (${unit})`
}

/** The panels to draw: those of the figure, or one without data when it has none. */
export function panelsOf(figure: Figure): Panel[] {
  if (figure.panels.length > 0) return figure.panels
  return [{ title: '', xAxis: axis(''), yAxis: axis(''), zeroLine: false, series: [], annotations: [], legend: [] }]
}
