/** A piece of a region, in use or free; neighbours are pieces of the same region. */
interface Chunk {
  bytes: number
  isFree: boolean
  readonly region: number
  offset: number
  previous: Chunk | null
  next: Chunk | null
}

/** Every request is rounded up to a multiple of this. */
const ALIGNMENT = 256

/** The arena splits a chunk when at least this much of it would be wasted, or half of it. */
export const MAX_DEAD_BYTES = 1 << 16

/**
 * onnxruntime's arena as a model of itself: best fit with coalescing, growing by what is asked for and never shrinking. It
 * holds no memory; it says how much the real one comes to hold under the same requests.
 */
export class ArenaModel {
  readonly #free = new Set<Chunk>()
  readonly #used = new Map<number, Chunk>()
  #regions = 0
  #totalBytes = 0

  /** Bytes taken from the operating system so far. */
  get totalBytes(): number {
    return this.#totalBytes
  }

  /** @param key by which the request is freed */
  take(key: number, bytes: number): void {
    if (bytes === 0) return
    const rounded = Math.ceil(bytes / ALIGNMENT) * ALIGNMENT
    const chunk = this.#bestFit(rounded) ?? this.#grow(rounded)
    this.#free.delete(chunk)
    chunk.isFree = false
    if (chunk.bytes >= 2 * rounded || chunk.bytes - rounded >= MAX_DEAD_BYTES) this.#split(chunk, rounded)
    this.#used.set(key, chunk)
  }

  give(key: number): void {
    const chunk = this.#used.get(key)
    if (!chunk) return
    this.#used.delete(key)
    chunk.isFree = true
    if (chunk.next?.isFree) this.#absorb(chunk, chunk.next)
    const before = chunk.previous
    if (before?.isFree) this.#absorb(before, chunk)
    this.#free.add(before?.isFree ? before : chunk)
  }

  #bestFit(bytes: number): Chunk | null {
    let best: Chunk | null = null
    for (const chunk of this.#free) if (chunk.bytes >= bytes && (!best || comesBefore(chunk, best))) best = chunk
    return best
  }

  #grow(bytes: number): Chunk {
    this.#totalBytes += bytes
    return { bytes, isFree: true, region: this.#regions++, offset: 0, previous: null, next: null }
  }

  #split(chunk: Chunk, bytes: number): void {
    const { region, offset, next } = chunk
    const rest = { bytes: chunk.bytes - bytes, isFree: true, region, offset: offset + bytes, previous: chunk, next }
    if (next) next.previous = rest
    chunk.next = rest
    chunk.bytes = bytes
    this.#free.add(rest)
  }

  #absorb(chunk: Chunk, next: Chunk): void {
    this.#free.delete(next)
    chunk.bytes += next.bytes
    chunk.next = next.next
    if (next.next) next.next.previous = chunk
  }
}

function comesBefore(a: Chunk, b: Chunk): boolean {
  return a.bytes - b.bytes < 0 || (a.bytes === b.bytes && (a.region - b.region || a.offset - b.offset) < 0)
}
