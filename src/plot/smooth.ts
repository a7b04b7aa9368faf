import { drawable, type Value } from './figure.js'

/**
 * Exponential moving average without the bias towards its start:
 * s_t = beta s_(t-1) + (1 - beta) y_t with s_0 = 0, shown as s_t / (1 - beta^n), n = values so far.
 * A missing value stays missing and does not move the average.
 * @param beta weight of the past in [0, 1); 0 gives the values themselves
 */
export function smooth(numbers: ArrayLike<Value>, beta: number): Value[] {
  let average = 0
  let weight = 0
  // a plain loop over the values as they lie: long curves are smoothed at every redraw
  const smoothed = new Array<Value>(numbers.length)
  for (let i = 0; i < smoothed.length; i++) {
    const value = numbers[i]
    if (!drawable(value)) {
      smoothed[i] = null
      continue
    }
    average = beta * average + (1 - beta) * value
    weight = beta * weight + (1 - beta)
    smoothed[i] = average / weight
  }
  return smoothed
}
