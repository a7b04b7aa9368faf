import { drawable, type Value } from './figure.js'

export interface SampleOptions {
  /** Upper bound of the points kept; at least 4. */
  maxPoints: number
  /** `minMax` keeps every extreme (noisy raw data); `lttb` keeps the shape with fewer points (smooth curves). */
  method: 'minMax' | 'lttb'
}

type Values = readonly Value[]

/**
 * The indices of the points to draw, rising, at most `maxPoints`: the first and last point are kept, with `minMax` the lowest and highest
 * too. A gap stays a gap (one missing point is kept in it), unless gaps are so many that they would eat the budget: then they are bridged.
 */
export function sampleIndices(x: Values, y: Values, { maxPoints, method }: SampleOptions): number[] {
  if (x.length <= maxPoints) return Array.from(x, (_, i) => i)
  const present = Array.from(x, (_, i) => i).filter(i => drawable(x[i]) && drawable(y[i]))
  const pick = method === 'minMax' ? minMax : largestTriangles
  const parts = stretches(present)
  if (parts.length * 5 > maxPoints) return pick(present, x, y, maxPoints)
  const spare = maxPoints - 5 * parts.length
  return parts.flatMap((part, i) => {
    const kept = pick(part, x, y, 4 + Math.floor((spare * part.length) / present.length))
    return i === 0 ? kept : [part[0]! - 1, ...kept]
  })
}

/** Runs of consecutive indices. */
function stretches(indices: number[]): number[][] {
  const parts: number[][] = []
  for (const index of indices) {
    const part = parts.at(-1)
    if (part && part.at(-1) === index - 1) part.push(index)
    else parts.push([index])
  }
  return parts
}

/** Splits the points between the first and the last into `count` buckets of equal size. */
function interiorBuckets(indices: number[], count: number): number[][] {
  const size = (indices.length - 2) / count
  return Array.from({ length: count }, (_, i) =>
    indices.slice(1 + Math.floor(i * size), 1 + Math.floor((i + 1) * size)),
  )
}

/** First, last, and the lowest and highest of each bucket between them. */
function minMax(indices: number[], _x: Values, y: Values, budget: number): number[] {
  if (indices.length <= budget) return indices
  const kept = [indices[0]!]
  for (const bucket of interiorBuckets(indices, Math.floor((budget - 2) / 2))) {
    let low = bucket[0]!
    let high = low
    for (const i of bucket) {
      if (y[i]! < y[low]!) low = i
      if (y[i]! > y[high]!) high = i
    }
    kept.push(...(low === high ? [low] : [Math.min(low, high), Math.max(low, high)]))
  }
  return [...kept, indices.at(-1)!]
}

/**
 * Largest-Triangle-Three-Buckets (Steinarsson 2013): from each bucket the point that spans the largest triangle with the point kept
 * before it and the mean of the bucket after it.
 */
function largestTriangles(indices: number[], x: Values, y: Values, budget: number): number[] {
  if (indices.length <= budget) return indices
  const buckets = interiorBuckets(indices, budget - 2)
  const last = indices.at(-1)!
  const kept = [indices[0]!]
  buckets.forEach((bucket, i) => {
    const next = buckets[i + 1] ?? [last]
    const nextX = next.reduce((sum, j) => sum + x[j]!, 0) / next.length
    const nextY = next.reduce((sum, j) => sum + y[j]!, 0) / next.length
    const before = kept.at(-1)!
    const area = (j: number) =>
      Math.abs((x[before]! - nextX) * (y[j]! - y[before]!) - (x[before]! - x[j]!) * (nextY - y[before]!))
    kept.push(bucket.reduce((best, j) => (area(j) > area(best) ? j : best)))
  })
  return [...kept, last]
}
