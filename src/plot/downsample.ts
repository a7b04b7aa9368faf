import { drawable, type Value } from './figure.js'

export interface SampleOptions {
  /** Upper bound of the points kept; at least 4. */
  maxPoints: number
  /** `minMax` keeps every extreme (noisy raw data); `lttb` keeps the shape with fewer points (smooth curves). */
  method: 'minMax' | 'lttb'
}

type Values = ArrayLike<Value>

/**
 * The indices of the points to draw, rising, at most `maxPoints`: the first and last point are kept, with `minMax` the lowest and highest
 * too. A gap stays a gap (one missing point is kept in it), unless gaps are so many that they would eat the budget: then they are bridged.
 */
export function sampleIndices(x: Values, y: Values, { maxPoints, method }: SampleOptions): number[] {
  if (x.length <= maxPoints) return Array.from(x, (_, i) => i)
  const present = drawableIndices(x, y)
  const pick = method === 'minMax' ? minMax : largestTriangles
  const parts = stretches(present)
  if (parts.length * 5 > maxPoints) return pick(present, x, y, maxPoints)
  const spare = maxPoints - 5 * parts.length
  return parts.flatMap((part, i) => {
    const kept = pick(part, x, y, 4 + Math.floor((spare * part.length) / present.length))
    return i === 0 ? kept : [part[0]! - 1, ...kept]
  })
}

/** Rising indices of points, in 32 bits: curves of 100,000 steps are sampled many times a second. */
type Indices = Int32Array

function drawableIndices(x: Values, y: Values): Indices {
  const indices = new Int32Array(x.length)
  let count = 0
  for (let i = 0; i < x.length; i++) if (drawable(x[i]) && drawable(y[i])) indices[count++] = i
  return indices.subarray(0, count)
}

/** Runs of consecutive indices. */
function stretches(indices: Indices): Indices[] {
  const parts: Indices[] = []
  let start = 0
  for (let i = 1; i <= indices.length; i++) {
    if (i < indices.length && indices[i] === indices[i - 1]! + 1) continue
    parts.push(indices.subarray(start, i))
    start = i
  }
  return parts
}

/** Splits the points between the first and the last into `count` buckets of equal size. */
function interiorBuckets(indices: Indices, count: number): Indices[] {
  const size = (indices.length - 2) / count
  return Array.from({ length: count }, (_, i) =>
    indices.subarray(1 + Math.floor(i * size), 1 + Math.floor((i + 1) * size)),
  )
}

/** First, last, and the lowest and highest of each bucket between them. */
function minMax(indices: Indices, _x: Values, y: Values, budget: number): number[] {
  if (indices.length <= budget) return [...indices]
  const kept = [indices[0]!]
  for (const bucket of interiorBuckets(indices, Math.floor((budget - 2) / 2))) {
    let low = bucket[0]!
    let high = low
    let [lowest, highest] = [y[low]!, y[high]!]
    // counted loops, here and below: iterators cost as much as the work
    for (let k = 1; k < bucket.length; k++) {
      const i = bucket[k]!
      const value = y[i]!
      if (value < lowest) [low, lowest] = [i, value]
      if (value > highest) [high, highest] = [i, value]
    }
    if (low !== high) kept.push(Math.min(low, high), Math.max(low, high))
    else kept.push(low)
  }
  return [...kept, indices.at(-1)!]
}

function meanOf(values: Values, indices: Indices): number {
  let sum = 0
  for (let k = 0; k < indices.length; k++) sum += values[indices[k]!]!
  return sum / indices.length
}

/**
 * Largest-Triangle-Three-Buckets (Steinarsson 2013): from each bucket the point that spans the largest triangle with the point kept
 * before it and the mean of the bucket after it.
 */
function largestTriangles(indices: Indices, x: Values, y: Values, budget: number): number[] {
  if (indices.length <= budget) return [...indices]
  const buckets = interiorBuckets(indices, budget - 2)
  const last = indices.subarray(indices.length - 1)
  const kept = [indices[0]!]
  buckets.forEach((bucket, i) => {
    const next = buckets[i + 1] ?? last
    const [nextX, nextY] = [meanOf(x, next), meanOf(y, next)]
    const before = kept.at(-1)!
    const [beforeX, beforeY] = [x[before]!, y[before]!]
    let best = bucket[0]!
    let largest = -1
    for (let k = 0; k < bucket.length; k++) {
      const j = bucket[k]!
      const area = Math.abs((beforeX - nextX) * (y[j]! - beforeY) - (beforeX - x[j]!) * (nextY - beforeY))
      if (area > largest) [best, largest] = [j, area]
    }
    kept.push(best)
  })
  return [...kept, last[0]!]
}
