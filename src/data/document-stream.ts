import { LabError } from '../util/errors.js'
import { keyOf, permutation } from '../util/prng.js'
import type { RetryEvent } from '../util/retry.js'
import type { Dataset } from './dataset.js'
import { documentHash } from './document-id.js'
import {
  type DocumentFault,
  type DocumentFaultCause,
  type FaultPolicy,
  ShardFault,
  type ShardFaultCause,
} from './fault.js'
import { type DocumentFilter, documentFilter, type FilterReason, filterFields } from './filter.js'
import { type RecordPosition, readShard, type ShardRecord } from './shard.js'

/** A document that passed all filters. */
export interface Document {
  text: string
  /** Bytes of the text as UTF-8. */
  bytes: number
  path: string
  /** Line (from 0) or row in its file. */
  record: number
  epoch: number
}

/** What happened to the records of a source since the start of the run. */
export interface DocumentCounters {
  documents: number
  excluded: number
  filtered: Partial<Record<FilterReason, number>>
  badDocuments: Partial<Record<DocumentFaultCause, number>>
  badShards: Partial<Record<ShardFaultCause, number>>
}

/** From which record on a bad shard is left out, in this and every later epoch. */
export interface ShardSkip {
  record: number
  reason: ShardFaultCause
}

/** Position of a document stream: the next record is the one at `position` of the epoch's `shard`-th file. */
export interface DocumentStreamState {
  epoch: number
  shard: number
  position: RecordPosition
  /** Documents delivered in this epoch. */
  epochDocuments: number
  counters: DocumentCounters
  /** By file path. */
  skips: Record<string, ShardSkip>
}

/** Events about input that was left out or had to be fetched again. */
export interface DocumentEvents {
  retry: RetryEvent & { source: string; path: string }
  /** `level` is `warn` under the policy `warn`, `info` under `skip`. Documents before `record` are used. */
  badShard: {
    source: string
    path: string
    record: number
    reason: ShardFaultCause
    message: string
    level: 'warn' | 'info'
  }
  badDocument: {
    source: string
    path: string
    record: number
    reason: DocumentFaultCause
    message: string
    level: 'warn' | 'info'
  }
}

/** What takes the events: an `Emitter` of these events, or of these and others. */
export interface DocumentEventSink {
  emit<Name extends keyof DocumentEvents>(name: Name, event: DocumentEvents[Name]): void
}

export interface DocumentStreamOptions {
  dataset: Dataset
  seed: number
  /**
   * Default `error`. Under `warn` and `skip` the documents before the fault are used. It is for faults of the content; what the
   * next attempt may find mended (a missing or changed file, disk, network, access) is thrown under every policy.
   */
  onBadShard?: FaultPolicy
  /** Default `error`. */
  onBadDocument?: FaultPolicy
  /** Documents whose {@link documentHash} is in it are left out. */
  excludeHashes?: ReadonlySet<string>
  maxLineBytes?: number
  maxRowGroupBytes?: number
  /** Ends waiting for the network. */
  signal?: AbortSignal
  events?: DocumentEventSink
}

/**
 * The documents of one source: shards in an order keyed by (seed, manifest hash, epoch), records in file order, filtered.
 * {@link DocumentStream.next} gives null at the end of an epoch until {@link DocumentStream.startEpoch} is called.
 */
export class DocumentStream {
  readonly #options: DocumentStreamOptions
  readonly #filter: DocumentFilter
  #state: DocumentStreamState
  #order: Uint32Array
  #reader: AsyncGenerator<ShardRecord> | null = null

  constructor(options: DocumentStreamOptions) {
    this.#options = options
    this.#filter = documentFilter(options.dataset.filters)
    this.#state = {
      ...epochStart(0),
      counters: { documents: 0, excluded: 0, filtered: {}, badDocuments: {}, badShards: {} },
      skips: {},
    }
    this.#order = this.#shardOrder()
  }

  get dataset(): Dataset {
    return this.#options.dataset
  }

  /** A copy that later reading does not touch. */
  state(): DocumentStreamState {
    return structuredClone(this.#state)
  }

  async restore(state: DocumentStreamState): Promise<void> {
    await this.close()
    this.#state = structuredClone(state)
    this.#order = this.#shardOrder()
  }

  async startEpoch(epoch: number): Promise<void> {
    await this.close()
    this.#state = { ...this.#state, ...epochStart(epoch) }
    this.#order = this.#shardOrder()
  }

  /** The next document, or null at the end of the epoch. */
  async next(): Promise<Document | null> {
    while (this.#state.shard < this.#order.length) {
      const record = await this.#nextRecord()
      if (record === null) await this.#leaveShard()
      else {
        this.#state.position = record.next
        const document = this.#accept(record)
        if (document) return document
      }
    }
    return null
  }

  /** Releases the open shard; the next call of {@link DocumentStream.next} opens it again. */
  async close(): Promise<void> {
    const reader = this.#reader
    this.#reader = null
    await reader?.return(undefined)
  }

  get #file() {
    return this.dataset.files[this.#order[this.#state.shard]!]!
  }

  #shardOrder(): Uint32Array {
    const { dataset, seed } = this.#options
    return permutation(dataset.files.length, keyOf('shards', seed, dataset.hash, this.#state.epoch))
  }

  /** The next record of the current shard, or null when the shard has ended, by itself or by a fault. */
  async #nextRecord(): Promise<ShardRecord | null> {
    const { path } = this.#file
    const skip = this.#state.skips[path]
    if (skip && this.#state.position.record >= skip.record)
      return this.#endByFault(skip, 'left out as in the epoch or run before')
    try {
      this.#reader ??= await this.#openShard()
      const { value, done } = await this.#reader.next()
      if (done) return null
      if (skip && value.record >= skip.record) return this.#endByFault(skip, 'left out as in the epoch or run before')
      return value
    } catch (error) {
      const { onBadShard = 'error' } = this.#options
      if (onBadShard === 'error' || !(error instanceof ShardFault && error.isOfContent)) throw asShardFault(error)
      const found = { record: this.#state.position.record, reason: error.reason }
      this.#state.skips[path] = found
      return this.#endByFault(found, error.message)
    }
  }

  #endByFault({ record, reason }: ShardSkip, message: string): null {
    count(this.#state.counters.badShards, reason)
    const level = this.#options.onBadShard === 'warn' ? 'warn' : 'info'
    this.#options.events?.emit('badShard', {
      source: this.dataset.name,
      path: this.#file.path,
      record,
      reason,
      message,
      level,
    })
    return null
  }

  async #openShard(): Promise<AsyncGenerator<ShardRecord>> {
    const { dataset, events, maxLineBytes, maxRowGroupBytes, signal } = this.#options
    const { path, byteLength, format } = this.#file
    const onRetry = (event: RetryEvent) => events?.emit('retry', { ...event, source: dataset.name, path })
    const source = await dataset.open(this.#order[this.#state.shard]!, { onRetry, ...(signal ? { signal } : {}) })
    if (source.byteLength !== byteLength)
      throw new ShardFault(
        'changed',
        `${path}: has ${source.byteLength} bytes, the manifest was resolved with ${byteLength}`,
      )
    return readShard(source, {
      format,
      textField: dataset.textField,
      fields: filterFields(dataset.filters),
      start: this.#state.position,
      ...(maxLineBytes === undefined ? {} : { maxLineBytes }),
      ...(maxRowGroupBytes === undefined ? {} : { maxRowGroupBytes }),
    })
  }

  async #leaveShard(): Promise<void> {
    await this.close()
    this.#state.shard++
    this.#state.position = { record: 0 }
  }

  #accept(record: ShardRecord): Document | null {
    const { counters, epoch } = this.#state
    if ('fault' in record) return this.#passOver(record.record, record.fault)
    const bytes = Buffer.byteLength(record.text)
    const reason = this.#filter(record.fields, bytes)
    if (reason) {
      count(counters.filtered, reason)
      return null
    }
    if (this.#options.excludeHashes?.size && this.#options.excludeHashes.has(documentHash(record.text))) {
      counters.excluded++
      return null
    }
    counters.documents++
    this.#state.epochDocuments++
    return { text: record.text, bytes, path: this.#file.path, record: record.record, epoch }
  }

  #passOver(record: number, fault: DocumentFault): null {
    const { onBadDocument = 'error', events } = this.#options
    if (onBadDocument === 'error') throw fault
    const { reason, message } = fault
    count(this.#state.counters.badDocuments, reason)
    const level = onBadDocument === 'warn' ? 'warn' : 'info'
    events?.emit('badDocument', { source: this.dataset.name, path: this.#file.path, record, reason, message, level })
    return null
  }
}

function epochStart(epoch: number): Pick<DocumentStreamState, 'epoch' | 'shard' | 'position' | 'epochDocuments'> {
  return { epoch, shard: 0, position: { record: 0 }, epochDocuments: 0 }
}

function count<Key extends string>(counters: Partial<Record<Key, number>>, key: Key): void {
  counters[key] = (counters[key] ?? 0) + 1
}

/** A file that is gone or another one as a fault of its shard, any other error as it is. */
function asShardFault(error: unknown): unknown {
  if (!(error instanceof LabError)) return error
  const { code, message } = error
  if (code === 'FILE_NOT_FOUND') return new ShardFault('missing', message, { cause: error })
  if (code === 'FILE_CHANGED' || code === 'RANGE') return new ShardFault('changed', message, { cause: error })
  return error
}
