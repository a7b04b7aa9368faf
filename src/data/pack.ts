/** A document as the packer sees it; `tag` comes back with the rows it is part of. */
export interface PackSegment<Tag> {
  tokens: Int32Array
  /** The tokens of the text itself, without special tokens: `textStart <= i < textEnd`. */
  textStart: number
  textEnd: number
  textBytes: number
  tag: Tag
}

/** A stretch of one document in one row: inputs `rowStart <= i < rowStart + count` are its tokens from `offset` on. */
export interface PackSpan<Tag> {
  tag: Tag
  rowStart: number
  offset: number
  count: number
}

/** One training row. */
export interface PackedRow<Tag> {
  /** (T + 1): inputs are the first T, targets the last T. */
  tokens: Int32Array
  /** Input positions at which a document begins, ascending. */
  boundaries: Int32Array
  /** UTF-8 bytes of text that the targets stand for; see {@link textBytesBetween}. */
  bytes: number
  spans: PackSpan<Tag>[]
  /** Targets from each tag's document, in the order of the documents. */
  targets: { tag: Tag; count: number }[]
}

/**
 * The UTF-8 bytes that tokens `from <= i < to` of a document stand for. Bytes are spread evenly over the text tokens and rounded
 * cumulatively, so any partition of a document sums to exactly its size; special tokens stand for none.
 */
export function textBytesBetween(segment: Omit<PackSegment<unknown>, 'tag'>, from: number, to: number): number {
  const { textStart, textEnd, textBytes } = segment
  const textTokens = textEnd - textStart
  if (textTokens === 0) return 0
  const until = (i: number) => Math.floor((textBytes * Math.min(Math.max(i - textStart, 0), textTokens)) / textTokens)
  return until(to) - until(from)
}

/**
 * Concat-then-split: documents are joined into one stream and cut in rows of T + 1 tokens at a stride of T, so that every token but the very
 * first is a target exactly once and nothing is dropped or padded. What does not fill a row is carried to the next.
 */
export class Packer<Tag> {
  readonly #seqLen: number
  readonly #segments: PackSegment<Tag>[] = []
  /** Tokens of the first segment that lie before the next row. */
  #offset = 0
  #pending = 0

  constructor(seqLen: number) {
    this.#seqLen = seqLen
  }

  /** Tokens held that are not yet the input of a row. */
  get carry(): number {
    return this.#pending
  }

  /** Where the next row starts: the document and the offset in it; null before the first document. */
  get head(): { tag: Tag; offset: number } | null {
    const first = this.#segments[0]
    return first ? { tag: first.tag, offset: this.#offset } : null
  }

  /** Adds a document (borrowed, not copied). `skip` tokens of it lie before the next row: only for the first one, when a stream is resumed. */
  push(segment: PackSegment<Tag>, skip = 0): void {
    if (segment.tokens.length === 0) return
    if (this.#segments.length === 0) this.#offset = skip
    this.#segments.push(segment)
    this.#pending += segment.tokens.length - skip
  }

  /** The next row, or null while fewer than T + 1 tokens are held. */
  take(): PackedRow<Tag> | null {
    const length = this.#seqLen + 1
    if (this.#pending < length) return null
    const row: PackedRow<Tag> = {
      tokens: new Int32Array(length),
      boundaries: new Int32Array(0),
      bytes: 0,
      spans: [],
      targets: [],
    }
    const boundaries: number[] = []
    let offset = this.#offset
    for (let filled = 0, s = 0; filled < length; s++) {
      const segment = this.#segments[s]!
      const count = Math.min(length - filled, segment.tokens.length - offset)
      row.tokens.set(segment.tokens.subarray(offset, offset + count), filled)
      if (offset === 0 && filled < this.#seqLen) boundaries.push(filled)
      this.#describe(row, segment, { filled, offset, count })
      filled += count
      offset = 0
    }
    row.boundaries = Int32Array.from(boundaries)
    this.#advance()
    return row
  }

  #describe(
    row: PackedRow<Tag>,
    segment: PackSegment<Tag>,
    part: { filled: number; offset: number; count: number },
  ): void {
    const { filled, offset, count } = part
    const { tag } = segment
    const inputs = Math.min(count, this.#seqLen - filled)
    if (inputs > 0) row.spans.push({ tag, rowStart: filled, offset, count: inputs })
    // the first token of a row is the last target of the row before
    const first = filled === 0 ? 1 : 0
    row.bytes += textBytesBetween(segment, offset + first, offset + count)
    if (count > first) row.targets.push({ tag, count: count - first })
  }

  #advance(): void {
    this.#offset += this.#seqLen
    this.#pending -= this.#seqLen
    while (this.#segments.length > 0 && this.#offset >= this.#segments[0]!.tokens.length) {
      this.#offset -= this.#segments[0]!.tokens.length
      this.#segments.shift()
    }
  }
}
