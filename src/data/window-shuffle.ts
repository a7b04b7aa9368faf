import { LabError } from '../util/errors.js'
import { formatCount } from '../util/format.js'
import { keyOf, permutation } from '../util/prng.js'
import type { Document, DocumentCounters, DocumentStream, DocumentStreamState } from './document-stream.js'

/**
 * Position of a window shuffle: where its window starts and how many documents of it have been delivered. No buffer is stored: a restored
 * stream reads the window again. `start.skips` are those known after the window was filled, so that it is cut the same way.
 */
export interface WindowShuffleState {
  start: DocumentStreamState
  /** Number of the window in its epoch. */
  window: number
  /** Documents of the window already delivered. */
  taken: number
  /** Of all that was read when the window was full; before that, those of `start`. Older versions did not store them. */
  counters?: DocumentCounters | undefined
}

export interface WindowShuffleOptions {
  documents: DocumentStream
  seed: number
  /** Documents a window, default 2048. The last window of an epoch has what is left. */
  windowDocs?: number
  /** A window also closes when its text reaches this many bytes (default 256 MB): the bound on memory for long documents. */
  windowBytes?: number
  onEpochEnd?: (event: { epoch: number; documents: number }) => void
}

export const DEFAULT_WINDOW_DOCS = 2048
export const DEFAULT_WINDOW_BYTES = 256_000_000

/**
 * Documents in windows, each permuted by a key of (seed, manifest hash, epoch, window). Endless: after an epoch
 * the next one starts, with other shard and window orders. Every document comes once an epoch.
 */
export class WindowShuffle {
  readonly #options: Required<Omit<WindowShuffleOptions, 'onEpochEnd'>> & Pick<WindowShuffleOptions, 'onEpochEnd'>
  #start: DocumentStreamState
  #window = 0
  #taken = 0
  #counters: DocumentCounters
  /** The documents of the window in their delivered order; null before it has been read. */
  #buffer: Document[] | null = null

  constructor(options: WindowShuffleOptions) {
    this.#options = { windowDocs: DEFAULT_WINDOW_DOCS, windowBytes: DEFAULT_WINDOW_BYTES, ...options }
    this.#start = options.documents.state()
    this.#counters = this.#start.counters
  }

  /** Cheap: `start` and `counters` are shared between the states of one window and never written to. */
  state(): WindowShuffleState {
    return { start: this.#start, window: this.#window, taken: this.#taken, counters: this.#counters }
  }

  async restore(state: WindowShuffleState): Promise<void> {
    await this.#options.documents.restore(state.start)
    this.#start = structuredClone(state.start)
    this.#window = state.window
    this.#taken = state.taken
    this.#counters = structuredClone(state.counters ?? state.start.counters)
    this.#buffer = null
  }

  /** @throws LabError `DATA_SOURCE_EMPTY` when a whole epoch has no document */
  async next(): Promise<Document> {
    this.#buffer ??= await this.#readWindow()
    while (this.#taken >= this.#buffer.length) {
      if (this.#buffer.length === 0) await this.#startNextEpoch()
      else this.#window++
      this.#start = this.#options.documents.state()
      this.#taken = 0
      this.#buffer = await this.#readWindow()
    }
    return this.#buffer[this.#taken++]!
  }

  async close(): Promise<void> {
    await this.#options.documents.close()
  }

  async #readWindow(): Promise<Document[]> {
    const { documents, seed, windowDocs, windowBytes } = this.#options
    const read: Document[] = []
    for (let bytes = 0; read.length < windowDocs && bytes < windowBytes; ) {
      const document = await documents.next()
      if (!document) break
      read.push(document)
      bytes += document.bytes
    }
    const { skips, counters } = documents.state()
    this.#start = { ...this.#start, skips }
    this.#counters = counters
    const key = keyOf('window', seed, documents.dataset.hash, this.#start.epoch, this.#window)
    return Array.from(permutation(read.length, key), i => read[i]!)
  }

  async #startNextEpoch(): Promise<void> {
    const { documents, onEpochEnd } = this.#options
    const { epoch, epochDocuments, counters } = documents.state()
    if (epochDocuments === 0) {
      const { name, files } = documents.dataset
      const why = JSON.stringify({
        filtered: counters.filtered,
        excluded: counters.excluded,
        badDocuments: counters.badDocuments,
        badShards: counters.badShards,
      })
      throw new LabError(
        'DATA_SOURCE_EMPTY',
        `source ${name}: expected at least one document in its ${formatCount(files.length)} files, epoch ${epoch} gave none (left out: ${why})`,
      )
    }
    onEpochEnd?.({ epoch, documents: epochDocuments })
    await documents.startEpoch(epoch + 1)
    this.#window = 0
  }
}
