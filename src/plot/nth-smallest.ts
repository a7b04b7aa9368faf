/**
 * The value of rank n (0 is the smallest), found by Hoare's selection in linear time: axes of eight runs of 100,000 steps are found anew
 * at every redraw, which a full sort would be too slow for. Reorders the values: those before rank n are not larger, those after it not smaller.
 * @param values not empty, none NaN
 */
export function nthSmallest(values: Float64Array, n: number): number {
  let [low, high] = [0, values.length - 1]
  while (low < high) {
    const pivot = values[(low + high) >> 1]!
    let [i, j] = [low, high]
    while (i <= j) {
      while (values[i]! < pivot) i++
      while (values[j]! > pivot) j--
      if (i > j) break
      const value = values[i]!
      values[i++] = values[j]!
      values[j--] = value
    }
    if (n <= j) high = j
    else if (n >= i) low = i
    else break
  }
  return values[n]!
}
