import { type Axis, drawable, type Series } from '../figure.js'

/** The share of the values that outliers are, half of it at each end. */
const OUTLIERS = 0.05

/** Room beyond the values that are kept, as a share of their range. */
const ROOM = 0.1

function yValues(series: Series): number[] {
  return series.kind === 'line' || series.kind === 'step' ? series.y.filter(drawable) : []
}

/**
 * The axis with its ends set to the middle 95 % of the lines' values and a tenth more, so that a few outliers do not flatten the rest;
 * they run out of the panel. An end without outliers beyond that stays free. On a logarithmic axis the range is that of the logarithms.
 */
export function withoutOutliers(axis: Axis, series: readonly Series[], { zeroLine }: { zeroLine: boolean }): Axis {
  const log = axis.scale === 'log'
  const values = series.flatMap(yValues).filter(value => !log || value > 0)
  if (values.length < 20) return axis
  const sorted = Float64Array.from(values, value => (log ? Math.log10(value) : value)).sort()
  const cut = Math.floor((sorted.length * OUTLIERS) / 2)
  const [low, high] = [sorted[cut]!, sorted[sorted.length - 1 - cut]!]
  const room = (high - low) * ROOM
  const back = (value: number) => (log ? 10 ** value : value)
  const [bottom, top] = [back(low - room), back(high + room)]
  const withZero = zeroLine && !log
  return {
    ...axis,
    min: axis.min ?? (sorted[0]! < low - room ? (withZero ? Math.min(0, bottom) : bottom) : null),
    max: axis.max ?? (sorted.at(-1)! > high + room ? (withZero ? Math.max(0, top) : top) : null),
  }
}
