/** A binary max-heap of (count, key) pairs: the largest count first, among equal counts the smallest key. */
export class PairHeap {
  readonly #counts: number[] = []
  readonly #keys: number[] = []

  get size(): number {
    return this.#keys.length
  }

  push(count: number, key: number): void {
    let i = this.#keys.length
    this.#counts.push(count)
    this.#keys.push(key)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!this.#above(i, parent)) return
      this.#swap(i, parent)
      i = parent
    }
  }

  pop(): { count: number; key: number } | undefined {
    const last = this.#keys.length - 1
    if (last < 0) return undefined
    this.#swap(0, last)
    const top = { count: this.#counts.pop()!, key: this.#keys.pop()! }
    this.#sink()
    return top
  }

  #sink(): void {
    const size = this.#keys.length
    for (let i = 0; ; ) {
      let best = i
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < size && this.#above(child, best)) best = child
      if (best === i) return
      this.#swap(i, best)
      i = best
    }
  }

  #above(i: number, j: number): boolean {
    const difference = this.#counts[i]! - this.#counts[j]!
    return difference !== 0 ? difference > 0 : this.#keys[i]! < this.#keys[j]!
  }

  #swap(i: number, j: number): void {
    const count = this.#counts[i]!
    this.#counts[i] = this.#counts[j]!
    this.#counts[j] = count
    const key = this.#keys[i]!
    this.#keys[i] = this.#keys[j]!
    this.#keys[j] = key
  }
}
