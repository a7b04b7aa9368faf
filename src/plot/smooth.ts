import { drawable, type Value } from './figure.js'

/**
 * Exponential moving average without the bias towards its start:
 * s_t = beta s_(t-1) + (1 - beta) y_t with s_0 = 0, shown as s_t / (1 - beta^n), n = values so far.
 * A missing value stays missing and does not move the average.
 * @param beta weight of the past in [0, 1); 0 gives the values themselves
 */
export function smooth(numbers: readonly Value[], beta: number): Value[] {
  let average = 0
  let weight = 0
  return numbers.map(value => {
    if (!drawable(value)) return null
    average = beta * average + (1 - beta) * value
    weight = beta * weight + (1 - beta)
    return average / weight
  })
}
