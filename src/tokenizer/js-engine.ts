import type { Tokenizer as JsModel } from '@huggingface/tokenizers'
import { sha256 } from '../util/canonical-json.js'
import { LabError, messageOf } from '../util/errors.js'
import type { TokenizerDefinition } from './definition.js'
import { checkIds, idLimit } from './ids.js'
import type { DecodeOptions, EncodeOptions, Tokenizer } from './interface.js'
import { jsObstacles, rewriteForJs } from './js-support.js'
import { buildDecoder } from './token-decoder.js'
import { type TokenizerJson, vocabularyOf } from './tokenizer-json.js'

/**
 * A tokenizer on the pure JavaScript engine.
 * @throws LabError `TOKENIZER_ENGINE` with everything that the engine cannot express; `TOKENIZER_INVALID` for merges that
 * lead outside the vocabulary
 */
export async function openJsTokenizer(definition: TokenizerDefinition): Promise<Tokenizer> {
  const { json, source } = definition
  const obstacles = jsObstacles(json)
  if (obstacles.length > 0) throw cannotExpress(source, obstacles.join('; '))
  const vocabulary = vocabularyOf(json)
  checkMerges(json, vocabulary, source)
  const { Tokenizer: Model } = await import('@huggingface/tokenizers')
  let model: JsModel
  try {
    model = new Model({ ...rewriteForJs(json), normalizer: json.normalizer ?? null }, {})
    // patterns are compiled by then, but an engine that cannot run one must say so now and not at the first text
    model.encode('a')
  } catch (error) {
    throw cannotExpress(source, messageOf(error))
  }
  return new JsTokenizer(model, vocabulary, definition)
}

function cannotExpress(source: string, what: string): LabError {
  return new LabError(
    'TOKENIZER_ENGINE',
    `${source}: the JavaScript tokenizer engine cannot express: ${what}. Use the native engine ("rust", package "tokenizers")`,
  )
}

/** The native engine checks this itself; the JavaScript one would go on and make ids of nothing. */
function checkMerges(json: TokenizerJson, vocabulary: Map<string, number>, source: string): void {
  for (const [i, merge] of (json.model.merges ?? []).entries()) {
    const [left, right, ...rest] = typeof merge === 'string' ? merge.split(' ') : merge
    const bad = left === undefined || right === undefined || rest.length > 0
    const unknown = bad ? undefined : [left, right, left + right].find(token => !vocabulary.has(token))
    if (bad || unknown !== undefined)
      throw new LabError(
        'TOKENIZER_INVALID',
        `${source}: not a usable tokenizer.json: merge ${i} (${JSON.stringify(merge)}) ${bad ? 'is not a pair' : `needs the token "${unknown}", which the vocabulary lacks`}. Download or convert the file again`,
      )
  }
}

/** How long {@link JsTokenizer.encodeBatch} works before it lets other events through. */
const SLICE_MS = 10

class JsTokenizer implements Tokenizer {
  readonly engine = 'js'
  readonly vocabSize: number
  readonly bosTokenId: number | null
  readonly eosTokenId: number | null
  readonly #model: JsModel
  readonly #json: TokenizerJson
  readonly #ids: Map<string, number>
  readonly #tokens: string[] = []
  readonly #specialIds: Set<number>
  readonly #decode: (tokens: string[]) => string
  #hash: string | undefined

  constructor(model: JsModel, vocabulary: Map<string, number>, { json, bosTokenId, eosTokenId }: TokenizerDefinition) {
    this.vocabSize = idLimit(json)
    this.bosTokenId = bosTokenId
    this.eosTokenId = eosTokenId
    this.#model = model
    this.#json = json
    this.#ids = vocabulary
    for (const [token, id] of vocabulary) this.#tokens[id] = token
    this.#specialIds = new Set(json.added_tokens.filter(token => token.special).map(token => token.id))
    this.#decode = buildDecoder(json.decoder)
  }

  get hash(): string {
    return (this.#hash ??= sha256(this.#json))
  }

  encode(text: string, { addSpecialTokens = false }: EncodeOptions = {}): Int32Array {
    const wellFormed = text.replace(/\p{Surrogate}/gu, '\ufffd')
    return Int32Array.from(this.#model.encode(wellFormed, { add_special_tokens: addSpecialTokens }).ids)
  }

  async encodeBatch(texts: string[], options?: EncodeOptions): Promise<Int32Array[]> {
    const ids: Int32Array[] = []
    let started = performance.now()
    for (const text of texts) {
      ids.push(this.encode(text, options))
      if (performance.now() - started < SLICE_MS) continue
      await new Promise(resolve => setImmediate(resolve))
      started = performance.now()
    }
    return ids
  }

  decode(ids: ArrayLike<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    checkIds(ids)
    const tokens: string[] = []
    for (let i = 0; i < ids.length; i++) {
      const token = this.#tokens[ids[i]!]
      if (token !== undefined && !(skipSpecialTokens && this.#specialIds.has(ids[i]!))) tokens.push(token)
    }
    return this.#decode(tokens)
  }

  tokenToId(token: string): number | null {
    return this.#ids.get(token) ?? null
  }

  idToToken(id: number): string | null {
    return this.#tokens[id] ?? null
  }
}
