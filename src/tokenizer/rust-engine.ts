import type { Decoder, Tokenizer as NativeTokenizer } from 'tokenizers'
import { canonicalJson, sha256 } from '../util/canonical-json.js'
import { LabError, messageOf } from '../util/errors.js'
import type { TokenizerDefinition } from './definition.js'
import { checkIds, idLimit } from './ids.js'
import type { DecodeOptions, EncodeOptions, Tokenizer } from './interface.js'
import { BlockingEncoder } from './rust-blocking.js'

/** What the native package exports. */
export type Native = typeof import('tokenizers')

/** Loads the native package. @throws LabError `TOKENIZER_ENGINE` when there is no binary for this machine */
export async function loadNative(): Promise<Native> {
  try {
    const module = (await import('tokenizers')) as Native & { default?: Native }
    return module.default ?? module
  } catch (error) {
    throw new LabError(
      'TOKENIZER_ENGINE',
      `the native tokenizer engine does not load on ${process.platform}-${process.arch}: ${messageOf(error)}. ` +
        'Run "npm install tokenizers", or use the engine "js" (slower, pure JavaScript)',
      { cause: error },
    )
  }
}

/** A tokenizer on the native engine. @throws LabError `TOKENIZER_INVALID` when the engine refuses the file */
export function openRustTokenizer(native: Native, definition: TokenizerDefinition): Tokenizer {
  const { json, source } = definition
  const text = JSON.stringify(json)
  let tokenizer: NativeTokenizer
  try {
    tokenizer = native.Tokenizer.fromString(text)
  } catch (error) {
    throw new LabError(
      'TOKENIZER_INVALID',
      `${source}: the native engine refuses it: ${messageOf(error)}. The file may be damaged or newer than the engine`,
      { cause: error },
    )
  }
  for (const { content, id } of json.added_tokens) {
    // the engine numbers tokens outside the vocabulary itself, in order, and would only log a difference
    const actual = tokenizer.tokenToId(content)
    if (actual !== id)
      throw new LabError(
        'TOKENIZER_INVALID',
        `${source}: added token "${content}" should have the id ${id} but gets ${actual}: the ids of added tokens must continue the vocabulary without a gap`,
      )
  }
  return new RustTokenizer(tokenizer, text, definition)
}

/** Characters per call into the engine: its answer is copied on the calling thread, which must not take longer than a few ms. */
const SLICE_CHARS = 256_000

class RustTokenizer implements Tokenizer {
  readonly engine = 'rust'
  readonly vocabSize: number
  readonly bosTokenId: number | null
  readonly eosTokenId: number | null
  readonly #native: NativeTokenizer
  readonly #decoder: Decoder | null
  readonly #json: string
  readonly #specialIds: Set<number>
  #hash: string | undefined
  #blocking: BlockingEncoder | undefined

  constructor(native: NativeTokenizer, json: string, definition: TokenizerDefinition) {
    this.vocabSize = idLimit(definition.json)
    this.bosTokenId = definition.bosTokenId
    this.eosTokenId = definition.eosTokenId
    this.#native = native
    this.#decoder = native.getDecoder()
    this.#json = json
    this.#specialIds = new Set(definition.json.added_tokens.filter(token => token.special).map(token => token.id))
  }

  get hash(): string {
    return (this.#hash ??= sha256(canonicalJson(JSON.parse(this.#json))))
  }

  encode(text: string, { addSpecialTokens = false }: EncodeOptions = {}): Int32Array {
    this.#blocking ??= new BlockingEncoder(this, this.#json)
    return this.#blocking.encode(text, addSpecialTokens)
  }

  async encodeBatch(texts: string[], { addSpecialTokens = false }: EncodeOptions = {}): Promise<Int32Array[]> {
    const ids: Int32Array[] = []
    for (const slice of slices(texts))
      for (const encoding of await this.#native.encodeBatch(slice, { addSpecialTokens }))
        ids.push(Int32Array.from(encoding.getIds()))
    return ids
  }

  decode(ids: ArrayLike<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    checkIds(ids)
    const tokens: string[] = []
    for (let i = 0; i < ids.length; i++) {
      if (skipSpecialTokens && this.#specialIds.has(ids[i]!)) continue
      const token = this.#native.idToToken(ids[i]!)
      if (token !== null) tokens.push(token)
    }
    // the package decodes ids only asynchronously; this is the same, in its two steps
    return this.#decoder ? this.#decoder.decode(tokens) : tokens.join(' ')
  }

  tokenToId(token: string): number | null {
    return this.#native.tokenToId(token)
  }

  idToToken(id: number): string | null {
    return Number.isInteger(id) && id >= 0 ? this.#native.idToToken(id) : null
  }
}

function* slices(texts: string[]): Generator<string[]> {
  let slice: string[] = []
  let chars = 0
  for (const text of texts) {
    slice.push(text)
    chars += text.length
    if (chars < SLICE_CHARS) continue
    yield slice
    slice = []
    chars = 0
  }
  if (slice.length > 0) yield slice
}
