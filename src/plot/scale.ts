import { type Axis, drawable, type Figure, type Panel, type Series, type Value } from './figure.js'

/** Maps data to fractions of an axis: 0 at its start (left, bottom), 1 at its end. */
export interface Scale {
  domain: readonly [number, number]
  /** The fraction, clamped to [-4, 5] so that no coordinate explodes; null when the value cannot be drawn on this axis. */
  at(value: Value | undefined): number | null
}

type Range = [low: number, high: number]

/** Smaller numbers have no place on a logarithmic axis; differences as small are no length of a linear one. */
const TINY = 1e-200

function extent(numbers: readonly number[]): Range | null {
  let range: Range | null = null
  for (const value of numbers) {
    if (!range) range = [value, value]
    else if (value < range[0]) range[0] = value
    else if (value > range[1]) range[1] = value
  }
  return range
}

/** The middle 98 % of the values: what a noisy background line may claim of the axis. */
function bulk(numbers: readonly number[]): Range | null {
  const sorted = [...numbers].sort((a, b) => a - b)
  const cut = Math.floor(sorted.length / 100)
  return sorted.length === 0 ? null : [sorted[cut]!, sorted[sorted.length - 1 - cut]!]
}

function union(ranges: (Range | null)[]): Range | null {
  const present = ranges.filter(range => range !== null)
  if (present.length === 0) return null
  return [Math.min(...present.map(r => r[0])), Math.max(...present.map(r => r[1]))]
}

/** An axis must have a length: a single value gets room on both sides. */
function widened([low, high]: Range, log: boolean): Range {
  if (high - low > Math.max(TINY, Math.abs(low) * 1e-9, Math.abs(high) * 1e-9)) return [low, high]
  if (log) return [low / 2, high * 2]
  const half = Math.abs(low) > 1e-9 ? Math.abs(low) * 0.1 : 0.5
  return [low - half, high + half]
}

function padded([low, high]: Range, share: number, log: boolean): Range {
  if (log) {
    const room = (Math.log10(high) - Math.log10(low)) * share
    return [10 ** (Math.log10(low) - room), 10 ** (Math.log10(high) + room)]
  }
  return [low - (high - low) * share, high + (high - low) * share]
}

/** The parallel coordinates of a series: x and one or two y. */
function coordinates(series: Series): (readonly Value[])[] {
  if (series.kind === 'tile') return [series.tiles.map(tile => tile.x), series.tiles.map(tile => tile.y)]
  return series.kind === 'band' ? [series.x, series.low, series.high] : [series.x, series.y]
}

/** The part of the axes that a series takes, from the points of which every coordinate can be drawn. */
function ranges(series: Series, logX: boolean, logY: boolean): { x: Range | null; y: Range | null } {
  const [x = [], ...ys] = coordinates(series)
  const fits = (value: Value | undefined, log: boolean) => drawable(value) && !(log && value < TINY)
  const points = x.map((_, i) => i).filter(i => fits(x[i], logX) && ys.every(y => fits(y[i], logY)))
  const xs = extent(points.map(i => x[i]!))
  const values = points.flatMap(i => ys.map(y => y[i]!))
  const range = 'faint' in series && series.faint ? bulk(values) : extent(values)
  if (!xs || !range) return { x: null, y: null }
  if (series.kind === 'line' || series.kind === 'step' || series.kind === 'band') return { x: xs, y: range }
  // half a bar or tile beside a small value would leave a logarithmic axis
  const beside = ([low, high]: Range, log: boolean): Range => (log ? [low, high] : [low - 0.5, high + 0.5])
  if (series.kind === 'tile') return { x: beside(xs, logX), y: beside(range, logY) }
  return { x: beside(xs, logX), y: logY ? range : [Math.min(0, range[0]), Math.max(0, range[1])] }
}

/** The ends that the axis fixes; a logarithmic axis cannot begin at zero and takes the data's end instead. */
function fixedEnds(range: Range, { min, max, scale }: Axis): Range {
  const usable = (end: number | null) => end !== null && (scale === 'linear' || end >= TINY)
  const [low, high] = [usable(min) ? min! : range[0], usable(max) ? max! : range[1]]
  return low < high ? [low, high] : range
}

function scaleOver(domain: Range, log: boolean): Scale {
  const toLine = log ? Math.log10 : (value: number) => value
  const start = toLine(domain[0])
  const length = toLine(domain[1]) - start
  return {
    domain,
    at: value =>
      !drawable(value) || (log && value <= 0) ? null : Math.min(5, Math.max(-4, (toLine(value) - start) / length)),
  }
}

/** The scales of a panel, or null when it has nothing that can be drawn. */
export function panelScales({ series, xAxis, yAxis, zeroLine }: Panel): { x: Scale; y: Scale } | null {
  const logX = xAxis.scale === 'log'
  const logY = yAxis.scale === 'log'
  const all = series.map(one => ranges(one, logX, logY))
  const xs = union(all.map(range => range.x))
  const ys = union(all.map(range => range.y))
  if (!xs || !ys) return null
  const withZero = zeroLine && !logY ? union([ys, [0, 0]])! : ys
  const roomy = series.every(one => one.kind === 'tile') ? withZero : padded(widened(withZero, logY), 0.06, logY)
  return {
    x: scaleOver(widened(fixedEnds(widened(xs, logX), xAxis), logX), logX),
    y: scaleOver(widened(fixedEnds(roomy, yAxis), logY), logY),
  }
}

/** Whether any panel of a figure has a point to draw. */
export function hasData(figure: Figure): boolean {
  return figure.panels.some(panel => panelScales(panel) !== null)
}
