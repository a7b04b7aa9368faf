import { Emitter } from '../util/emitter.js'
import { LabError } from '../util/errors.js'
import type { Dataset } from './dataset.js'
import { type DocumentCounters, type DocumentEvents, DocumentStream } from './document-stream.js'
import type { FaultPolicy } from './fault.js'
import { checkLoaderState, excludeHashOf, type LoaderIdentity, type LoaderState } from './loader-state.js'
import { type MixedDocument, mixShares, TokenMix } from './mix.js'
import { type PackedRow, Packer } from './pack.js'
import { type Tokenize, TokenStream } from './token-stream.js'
import { DEFAULT_WINDOW_BYTES, DEFAULT_WINDOW_DOCS, WindowShuffle } from './window-shuffle.js'

/** Where a stretch of a batch came from. */
export interface Provenance {
  /** Row of the batch and first input position. */
  row: number
  rowStart: number
  count: number
  source: string
  path: string
  /** Line (from 0) or row in the file. */
  record: number
  epoch: number
  /** Offset in the document's tokens, BOS included. */
  offset: number
}

/** One micro-batch, B rows of T tokens. The arrays belong to the receiver. */
export interface Batch {
  /** (B, T) row-major. */
  inputIds: Int32Array
  /** (B, T) row-major: the token after each input, across document boundaries too. */
  targets: Int32Array
  /** Per row the input positions at which a document begins. */
  boundaries: Int32Array[]
  /** UTF-8 bytes of text that the targets stand for, so that bits per byte can be computed. */
  bytes: number
  /** Targets served per source since the start of the run, this batch and skipped ones included; they sum to rows served * T. */
  mix: Record<string, number>
  provenance: Provenance[]
  /** The position after this batch; what was prefetched beyond it is not in it. A copy of its own. */
  state: LoaderState
}

export interface LoaderOptions {
  /** Weights are relative and count tokens. Names must differ. */
  sources: { manifest: Dataset; weight: number }[]
  seed: number
  /** T, tokens a row. */
  seqLen: number
  /** B, rows a batch. Not part of the order: it may change at a resume. */
  microBatch: number
  windowDocs?: number
  windowBytes?: number
  /** Batches made ahead of the consumer, default 4. */
  prefetchBatches?: number
  onBadShard?: FaultPolicy
  onBadDocument?: FaultPolicy
  /** Documents that must not be trained on, by `documentHash`: those of the probes. */
  excludeHashes?: ReadonlySet<string>
  maxLineBytes?: number
  maxRowGroupBytes?: number
  tokenize: Tokenize
  /** Identifies the tokenizer in the state. */
  tokenizerHash: string
  bosTokenId: number | null
  eosTokenId: number | null
  /** Continue after the batch that carried this state. */
  state?: unknown
  /** Groups of documents that each source tokenises ahead, default 2. */
  groupsAhead?: number
  events?: Emitter<LoaderEvents>
}

export interface LoaderEvents extends DocumentEvents {
  epochEnd: { source: string; epoch: number; documents: number }
  skip: { batches: number; tokens: number }
}

/** What the loader has read of one source so far, prefetched input included. */
export interface SourceReport extends DocumentCounters {
  source: string
  epoch: number
}

/**
 * Opens a stream of training batches over weighted sources:
 * documents -> window shuffle -> tokens -> mix -> rows -> batches. The token stream is a pure function of (manifests, weights, seed,
 * tokenizer, window size, excluded documents); prefetching, tokenizer workers and `microBatch` never change it. Endless.
 * Nothing is opened before the first batch is asked for; {@link Loader.dispose} closes everything.
 * @throws LabError `LOADER_OPTIONS`, `MIX_WEIGHT` or `LOADER_STATE`
 */
export function openLoader(options: LoaderOptions): Loader {
  return new Loader(options)
}

/** See {@link openLoader}. */
export class Loader implements AsyncIterable<Batch> {
  readonly events: Emitter<LoaderEvents>
  readonly #options: LoaderOptions
  readonly #identity: LoaderIdentity
  readonly #documents: DocumentStream[]
  readonly #mix: TokenMix
  readonly #packer: Packer<MixedDocument>
  readonly #served: number[]
  readonly #queue: Promise<Batch>[] = []
  #last: Promise<unknown>
  readonly #closing = new AbortController()
  #headSkip = 0

  constructor(options: LoaderOptions) {
    checkOptions(options)
    this.#options = options
    this.events = options.events ?? new Emitter<LoaderEvents>()
    this.#identity = identityOf(options)
    const shares = mixShares(this.#identity.sources)
    this.#documents = options.sources.map(
      ({ manifest }) =>
        new DocumentStream({ ...options, dataset: manifest, events: this.events, signal: this.#closing.signal }),
    )
    this.#mix = new TokenMix(
      this.#documents.map(documents => tokenStream(documents, options, this.events)),
      shares,
    )
    this.#packer = new Packer(options.seqLen)
    this.#served = shares.map(() => 0)
    const state = options.state === undefined ? null : checkLoaderState(options.state, this.#identity)
    this.#last = state ? this.#restore(state) : Promise.resolve()
    this.#last.catch(() => undefined)
  }

  /**
   * The next batch. After an error every further call fails with it.
   * @throws ShardFault and DocumentFault under the policy `error`; LabError `DATA_SOURCE_EMPTY`, `LOADER_DISPOSED`
   */
  async next(): Promise<Batch> {
    if (this.#closing.signal.aborted) throw disposedError()
    this.#prefetch(1)
    const batch = this.#queue.shift()!
    this.#prefetch(this.#options.prefetchBatches ?? 4)
    return batch
  }

  /** Iterates until the loader is disposed. Leaving the loop does not dispose it: a later loop goes on with the next batch. */
  [Symbol.asyncIterator](): AsyncIterator<Batch> {
    return {
      next: async () =>
        this.#closing.signal.aborted ? { value: undefined, done: true } : { value: await this.next(), done: false },
    }
  }

  /** Passes over the next `batches` batches, after a loss spike for example. They count as served in `mix`. */
  async skip(batches: number): Promise<void> {
    let tokens = 0
    for (let i = 0; i < batches; i++) tokens += (await this.next()).targets.length
    this.events.emit('skip', { batches, tokens })
  }

  /** Counters of every source: documents used, filtered, excluded, bad. */
  report(): SourceReport[] {
    return this.#documents.map(documents => {
      const { epoch, counters } = documents.state()
      return { source: documents.dataset.name, epoch, ...counters }
    })
  }

  /** Drops prefetched batches, breaks off waiting for the network and closes all files. May be called twice. */
  async dispose(): Promise<void> {
    this.#closing.abort(disposedError())
    await Promise.allSettled([this.#last, ...this.#queue])
    this.#queue.length = 0
    await this.#mix.close()
  }

  async #restore(state: LoaderState): Promise<void> {
    this.#headSkip = state.tokenOffset
    for (const [i, source] of state.sources.entries()) this.#served[i] = source.tokensServed
    await this.#mix.restore({
      tokens: state.sources.map(source => source.tokensMixed),
      sources: state.sources.map(source => source.shuffle),
    })
  }

  #prefetch(length: number): void {
    while (this.#queue.length < length) {
      const batch = this.#last.then(() => this.#makeBatch())
      // a failure belongs to whoever takes the batch; until then it must not count as unhandled
      batch.catch(() => undefined)
      this.#last = batch
      this.#queue.push(batch)
    }
  }

  async #makeBatch(): Promise<Batch> {
    const { microBatch, seqLen } = this.#options
    const rows: PackedRow<MixedDocument>[] = []
    while (rows.length < microBatch) {
      const row = this.#packer.take()
      if (row) rows.push(row)
      else await this.#addDocument()
    }
    for (const { tag, count } of rows.flatMap(row => row.targets)) this.#served[tag.source]! += count
    return {
      inputIds: stack(rows, seqLen, 0),
      targets: stack(rows, seqLen, 1),
      boundaries: rows.map(row => row.boundaries),
      bytes: rows.reduce((sum, row) => sum + row.bytes, 0),
      mix: Object.fromEntries(this.#identity.sources.map(({ name }, i) => [name, this.#served[i]!])),
      provenance: rows.flatMap((row, r) => this.#provenanceOf(row, r)),
      state: this.#state(),
    }
  }

  async #addDocument(): Promise<void> {
    if (this.#closing.signal.aborted) throw disposedError()
    const mixed = await this.#mix.next()
    this.#packer.push({ ...mixed.document, tag: mixed }, this.#headSkip)
    this.#headSkip = 0
  }

  #provenanceOf(row: PackedRow<MixedDocument>, r: number): Provenance[] {
    return row.spans.map(({ tag, rowStart, offset, count }) => {
      const { path, record, epoch } = tag.document
      const source = this.#identity.sources[tag.source]!.name
      return { row: r, rowStart, count, source, path, record, epoch, offset }
    })
  }

  #state(): LoaderState {
    const head = this.#packer.head!
    const { tokens, sources } = head.tag.before
    return structuredClone({
      version: 1 as const,
      ...this.#identity,
      tokenOffset: head.offset,
      sources: this.#identity.sources.map((source, i) => ({
        ...source,
        tokensMixed: tokens[i]!,
        tokensServed: this.#served[i]!,
        shuffle: sources[i]!,
      })),
    })
  }
}

function tokenStream(documents: DocumentStream, options: LoaderOptions, events: Emitter<LoaderEvents>): TokenStream {
  const { windowDocs, windowBytes } = identityOf(options)
  const source = documents.dataset.name
  const onEpochEnd = (event: { epoch: number; documents: number }) => events.emit('epochEnd', { source, ...event })
  const shuffle = new WindowShuffle({ documents, seed: options.seed, windowDocs, windowBytes, onEpochEnd })
  return new TokenStream({ ...options, shuffle })
}

function identityOf(options: LoaderOptions): LoaderIdentity {
  const { seed, tokenizerHash, bosTokenId, eosTokenId } = options
  return {
    seed,
    windowDocs: options.windowDocs ?? DEFAULT_WINDOW_DOCS,
    windowBytes: options.windowBytes ?? DEFAULT_WINDOW_BYTES,
    tokenizerHash,
    bosTokenId,
    eosTokenId,
    excludeHash: excludeHashOf(options.excludeHashes),
    sources: options.sources.map(({ manifest, weight }) => ({
      name: manifest.name,
      manifestHash: manifest.hash,
      weight,
    })),
  }
}

function checkOptions(options: LoaderOptions): void {
  const { sources, prefetchBatches = 4, windowDocs = 1, windowBytes = 1 } = options
  if (sources.length === 0) throw new LabError('LOADER_OPTIONS', 'expected at least one source, got none')
  const names = sources.map(({ manifest }) => manifest.name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) throw new LabError('LOADER_OPTIONS', `source ${twice} is listed twice; give its weight once`)
  if (!Number.isSafeInteger(options.seed))
    throw new LabError('LOADER_OPTIONS', `expected an integer seed, got ${options.seed}`)
  const { seqLen, microBatch } = options
  for (const [name, value] of Object.entries({ seqLen, microBatch, windowDocs, windowBytes }))
    if (!(Number.isSafeInteger(value) && value >= 1))
      throw new LabError('LOADER_OPTIONS', `expected ${name} to be an integer of at least 1, got ${value}`)
  if (!(Number.isSafeInteger(prefetchBatches) && prefetchBatches >= 0))
    throw new LabError(
      'LOADER_OPTIONS',
      `expected prefetchBatches to be an integer of at least 0, got ${prefetchBatches}`,
    )
}

function stack(rows: PackedRow<unknown>[], seqLen: number, from: 0 | 1): Int32Array {
  const out = new Int32Array(rows.length * seqLen)
  for (const [r, { tokens }] of rows.entries()) out.set(tokens.subarray(from, from + seqLen), r * seqLen)
  return out
}

function disposedError(): LabError {
  return new LabError('LOADER_DISPOSED', 'the loader was disposed; open another one with the last state')
}
