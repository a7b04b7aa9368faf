import { type Axis, drawable, type Figure, type Panel, type Series, type Value } from './figure.js'

/** Maps data to fractions of an axis: 0 at its start (left, bottom), 1 at its end. */
export interface Scale {
  domain: readonly [number, number]
  /** The fraction, clamped to [-4, 5] so that no coordinate explodes; null when the value cannot be drawn on this axis. */
  at(value: Value | undefined): number | null
}

type Range = [low: number, high: number]

function extent(numbers: Iterable<Value>, positive: boolean): Range | null {
  let range: Range | null = null
  for (const value of numbers) {
    if (!drawable(value) || (positive && value <= 0)) continue
    if (!range) range = [value, value]
    else if (value < range[0]) range[0] = value
    else if (value > range[1]) range[1] = value
  }
  return range
}

/** The middle 98 % of the values: what a noisy background line may claim of the axis. */
function bulk(numbers: Value[], positive: boolean): Range | null {
  const sorted = numbers.filter((v): v is number => drawable(v) && !(positive && v <= 0)).sort((a, b) => a - b)
  if (sorted.length === 0) return null
  const cut = Math.floor(sorted.length / 100)
  return [sorted[cut]!, sorted[sorted.length - 1 - cut]!]
}

function union(ranges: (Range | null)[]): Range | null {
  const present = ranges.filter(range => range !== null)
  if (present.length === 0) return null
  return [Math.min(...present.map(r => r[0])), Math.max(...present.map(r => r[1]))]
}

/** An axis must have a length: a single value gets room on both sides. */
function widened([low, high]: Range, log: boolean): Range {
  if (high - low > Math.max(Math.abs(low), Math.abs(high)) * 1e-9) return [low, high]
  if (log) return [low / 2, high * 2]
  const half = Math.abs(low) > 1e-9 ? Math.abs(low) * 0.1 : 0.5
  return [low - half, high + half]
}

function padded([low, high]: Range, share: number, log: boolean): Range {
  if (log) return [low * (low / high) ** share, high * (high / low) ** share]
  return [low - (high - low) * share, high + (high - low) * share]
}

function xRange(series: Series, positive: boolean): Range | null {
  const half = series.kind === 'bar' || series.kind === 'tile' ? 0.5 : 0
  const range = extent(series.kind === 'tile' ? series.tiles.map(tile => tile.x) : series.x, positive)
  return range && [range[0] - half, range[1] + half]
}

function yRange(series: Series, positive: boolean): Range | null {
  switch (series.kind) {
    case 'tile': {
      const range = extent(
        series.tiles.map(tile => tile.y),
        positive,
      )
      return range && [range[0] - 0.5, range[1] + 0.5]
    }
    case 'band':
      return union([extent(series.low, positive), extent(series.high, positive)])
    case 'bar':
      return union([extent(series.y, positive), positive ? null : [0, 0]])
    default:
      return series.faint ? bulk(series.y, positive) : extent(series.y, positive)
  }
}

/** The ends that the axis fixes; a logarithmic axis cannot begin at zero and takes the data's end instead. */
function fixedEnds(range: Range, { min, max, scale }: Axis): Range {
  const usable = (end: number | null) => end !== null && (scale === 'linear' || end > 0)
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
  const xs = union(series.map(one => xRange(one, logX)))
  const ys = union(series.map(one => yRange(one, logY)))
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
