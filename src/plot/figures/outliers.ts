import { type Axis, drawable } from '../figure.js'
import { nthSmallest } from '../nth-smallest.js'

/** The share of the values that outliers are, half of it at each end. */
const OUTLIERS = 0.05

/** Room beyond the values that are kept, as a share of their range. */
const ROOM = 0.1

type Numbers = ArrayLike<number | null>

/** Every value that the axis can show, as its place on it. */
function placesOf(curves: readonly Numbers[], log: boolean): Float64Array {
  const places = new Float64Array(curves.reduce((n, { length }) => n + length, 0))
  let count = 0
  for (const curve of curves)
    for (let i = 0; i < curve.length; i++) {
      const value = curve[i]
      if (drawable(value) && (!log || value > 0)) places[count++] = log ? Math.log10(value) : value
    }
  return places.subarray(0, count)
}

function endsOf(places: Float64Array): [lowest: number, highest: number] {
  let [lowest, highest] = [places[0]!, places[0]!]
  for (let i = 1; i < places.length; i++) {
    lowest = Math.min(lowest, places[i]!)
    highest = Math.max(highest, places[i]!)
  }
  return [lowest, highest]
}

/**
 * The axis with its ends set to the middle 95 % of the curves' values and a tenth more, so that a few outliers do not flatten the rest;
 * they run out of the panel. An end without outliers beyond that stays free. On a logarithmic axis the range is that of the logarithms.
 * @param curves all values that were measured, not those that are drawn
 */
export function withoutOutliers(axis: Axis, curves: readonly Numbers[], { zeroLine }: { zeroLine: boolean }): Axis {
  const log = axis.scale === 'log'
  const places = placesOf(curves, log)
  if (places.length < 20) return axis
  const cut = Math.floor((places.length * OUTLIERS) / 2)
  const low = nthSmallest(places, cut)
  // everything from there on is not smaller now
  const high = nthSmallest(places.subarray(cut), places.length - 1 - 2 * cut)
  const [lowest, highest] = endsOf(places)
  const room = (high - low) * ROOM
  const back = (value: number) => (log ? 10 ** value : value)
  const [bottom, top] = [back(low - room), back(high + room)]
  const withZero = zeroLine && !log
  return {
    ...axis,
    min: axis.min ?? (lowest < low - room ? (withZero ? Math.min(0, bottom) : bottom) : null),
    max: axis.max ?? (highest > high + room ? (withZero ? Math.max(0, top) : top) : null),
  }
}
