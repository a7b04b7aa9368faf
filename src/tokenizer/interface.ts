/** Options of encoding. */
export interface EncodeOptions {
  /** Run the tokenizer's post-processor, which puts BOS (and whatever else it says) around the text. Default false. */
  addSpecialTokens?: boolean
}

/** Options of decoding. */
export interface DecodeOptions {
  /** Leave special tokens out of the text. Default false. */
  skipSpecialTokens?: boolean
}

/**
 * Text <-> token ids, equal to Hugging Face's tokenizer of the same `tokenizer.json`. Special tokens that are spelled out in a
 * text are recognised. Lone surrogates in a text count as U+FFFD. Never truncates or pads.
 */
export interface Tokenizer {
  /** The engine in use: `rust` is the native `tokenizers` package, `js` is `@huggingface/tokenizers`. */
  readonly engine: 'rust' | 'js'
  /** The highest id plus one: what an embedding must have at least. */
  readonly vocabSize: number
  readonly bosTokenId: number | null
  readonly eosTokenId: number | null
  /** SHA-256 (hex) of the canonical content of `tokenizer.json` (that of the converted one for a `tokenizer.model`). */
  readonly hash: string
  /** The ids of one text; the caller owns the array. Blocks until done: use {@link encodeBatch} or a `TokenizerPool` for much text. */
  encode(text: string, options?: EncodeOptions): Int32Array
  /** The ids of many texts, in their order; the caller owns the arrays. */
  encodeBatch(texts: string[], options?: EncodeOptions): Promise<Int32Array[]>
  /**
   * The text of ids. Ids that name no token (the padding rows of an embedding) stand for nothing, as in Hugging Face.
   * @throws LabError `TOKENIZER_ID` for a negative or fractional id
   */
  decode(ids: ArrayLike<number>, options?: DecodeOptions): string
  /** The id of a token as `tokenizer.json` spells it; null when there is none. */
  tokenToId(token: string): number | null
  /** The token of an id as `tokenizer.json` spells it; null when there is none. */
  idToToken(id: number): string | null
}
