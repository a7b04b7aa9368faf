import { LabError } from '../util/errors.js'
import type { Document } from './document-stream.js'
import type { WindowShuffle, WindowShuffleState } from './window-shuffle.js'

/** Token ids of each text, in order, without special tokens. May be called again before earlier calls have ended. */
export type Tokenize = (texts: string[]) => Promise<Int32Array[]>

/** Special tokens put around every document; null leaves one out. */
export interface SpecialTokens {
  bosTokenId: number | null
  eosTokenId: number | null
}

/** A tokenised document with the position of its source after it. */
export interface TokenDocument {
  /** [BOS] text [EOS]. */
  tokens: Int32Array
  /** Tokens of the text itself: `textStart <= i < textEnd`. */
  textStart: number
  textEnd: number
  textBytes: number
  path: string
  record: number
  epoch: number
  after: WindowShuffleState
}

export interface TokenStreamOptions extends SpecialTokens {
  shuffle: WindowShuffle
  tokenize: Tokenize
  /** Groups of documents that are read and tokenised ahead, default 2. Never changes the stream. */
  groupsAhead?: number
}

/** A group is handed to the tokenizer at once: enough to keep workers busy, little enough to start early. */
const GROUP_DOCUMENTS = 64
const GROUP_BYTES = 256_000

/**
 * The documents of one source, tokenised some groups ahead of the one who asks. It comes before the mix, because the mix
 * counts tokens; the order within a source does not depend on the mix, so reading ahead is free of consequences.
 */
export class TokenStream {
  readonly #options: TokenStreamOptions
  readonly #groups: Promise<TokenDocument[]>[] = []
  #reading: Promise<unknown> = Promise.resolve()
  #ready: TokenDocument[] = []
  #taken = 0
  #state: WindowShuffleState
  #closed = false
  /** Epoch of the first of the latest documents without tokens. */
  #emptySince: number | null = null

  constructor(options: TokenStreamOptions) {
    this.#options = options
    this.#state = options.shuffle.state()
  }

  /** Position after the last document that {@link TokenStream.next} gave; what was read ahead is not in it. */
  state(): WindowShuffleState {
    return this.#state
  }

  /** Only before the first {@link TokenStream.next}. */
  async restore(state: WindowShuffleState): Promise<void> {
    await this.#options.shuffle.restore(state)
    this.#state = this.#options.shuffle.state()
  }

  async next(): Promise<TokenDocument> {
    while (this.#taken >= this.#ready.length) {
      this.readAhead()
      this.#ready = await this.#groups.shift()!
      this.#taken = 0
    }
    this.readAhead()
    const document = this.#ready[this.#taken++]!
    this.#state = document.after
    this.#checkProgress(document)
    return document
  }

  /** A source without any tokens would make the mix wait for it for ever. */
  #checkProgress(document: TokenDocument): void {
    if (document.tokens.length > 0) this.#emptySince = null
    else this.#emptySince ??= document.epoch
    if (this.#emptySince === null || document.epoch < this.#emptySince + 2) return
    const where = `the source of ${document.path}`
    throw new LabError(
      'DATA_SOURCE_EMPTY',
      `${where}: expected tokens, but all documents of epoch ${document.epoch - 1} gave none`,
    )
  }

  /** Waits for what is being read, then releases the open shard. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.allSettled(this.#groups)
    await this.#options.shuffle.close()
  }

  /** Starts what is to be read and tokenised ahead; called again it does nothing until some has been taken. */
  readAhead(): void {
    const { groupsAhead = 2 } = this.#options
    while (this.#groups.length < Math.max(1, groupsAhead)) {
      // reading is one after the other; tokenising of several groups may overlap
      const read = this.#reading.then(() => this.#readGroup())
      this.#reading = read
      const group = read.then(documents => this.#tokenizeGroup(documents))
      // a failure belongs to whoever takes the group; until then it must not count as unhandled
      read.catch(() => undefined)
      group.catch(() => undefined)
      this.#groups.push(group)
    }
  }

  async #readGroup(): Promise<{ document: Document; after: WindowShuffleState }[]> {
    const { shuffle } = this.#options
    const group: { document: Document; after: WindowShuffleState }[] = []
    for (let bytes = 0; group.length < GROUP_DOCUMENTS && bytes < GROUP_BYTES; ) {
      if (this.#closed) throw new LabError('LOADER_DISPOSED', 'the loader was disposed while documents were being read')
      const document = await shuffle.next()
      group.push({ document, after: shuffle.state() })
      bytes += document.bytes
    }
    return group
  }

  async #tokenizeGroup(group: { document: Document; after: WindowShuffleState }[]): Promise<TokenDocument[]> {
    const ids = await this.#options.tokenize(group.map(({ document }) => document.text))
    if (ids.length !== group.length)
      throw new LabError('TOKENIZE', `tokenize was given ${group.length} texts and returned ${ids.length} arrays`)
    return group.map(({ document, after }, i) => withSpecialTokens(document, after, ids[i]!, this.#options))
  }
}

function withSpecialTokens(
  document: Document,
  after: WindowShuffleState,
  ids: Int32Array,
  special: SpecialTokens,
): TokenDocument {
  const { bosTokenId, eosTokenId } = special
  const textStart = bosTokenId === null ? 0 : 1
  const textEnd = textStart + ids.length
  const tokens = new Int32Array(textEnd + (eosTokenId === null ? 0 : 1))
  if (bosTokenId !== null) tokens[0] = bosTokenId
  tokens.set(ids, textStart)
  if (eosTokenId !== null) tokens[textEnd] = eosTokenId
  const { bytes: textBytes, path, record, epoch } = document
  return { tokens, textStart, textEnd, textBytes, path, record, epoch, after }
}
