import { LabError, messageOf } from '../util/errors.js'

/** The content of a Hugging Face `tokenizer.json`. Only what the lab writes or looks at is typed; the rest travels untouched. */
export interface TokenizerJson {
  added_tokens: AddedTokenJson[]
  normalizer?: ComponentJson | null
  pre_tokenizer?: ComponentJson | null
  post_processor?: ComponentJson | null
  decoder?: ComponentJson | null
  model: ModelJson
  [other: string]: unknown
}

/** A normalizer, pre-tokenizer, post-processor or decoder: a type and its own fields. */
export interface ComponentJson {
  type: string
  [field: string]: unknown
}

/** A token that is found in the text before the model runs. */
export interface AddedTokenJson {
  id: number
  content: string
  single_word: boolean
  lstrip: boolean
  rstrip: boolean
  normalized: boolean
  special: boolean
}

/** The model part. For BPE: token -> id, and the merges in order of rank. */
export interface ModelJson {
  type?: string
  vocab: Record<string, number> | [string, number][]
  merges?: (string | [string, string])[]
  [field: string]: unknown
}

/**
 * Parses and checks a `tokenizer.json`. Truncation and padding that were saved with it are dropped: they belong to one
 * training run and would cut texts silently.
 * @param source the file, for messages
 * @throws LabError `TOKENIZER_INVALID` when it is not JSON or not of the form; `TOKENIZER_UNSUPPORTED` for merge dropout
 */
export function parseTokenizerJson(text: string, source: string): TokenizerJson {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw invalid(source, `expected JSON, got ${messageOf(error)}`)
  }
  if (!isObject(value)) throw invalid(source, 'expected a JSON object')
  if (!isObject(value['model'])) throw invalid(source, 'expected an object "model"')
  checkModel(value['model'], source)
  const addedTokens = value['added_tokens'] ?? []
  checkAddedTokens(addedTokens, source)
  return { ...value, truncation: null, padding: null, added_tokens: addedTokens } as unknown as TokenizerJson
}

function checkModel(model: Record<string, unknown>, source: string): void {
  const vocab = model['vocab']
  if (!isObject(vocab) && !Array.isArray(vocab)) throw invalid(source, 'expected "model.vocab" with the tokens')
  if (!Array.isArray(vocab)) checkIds(Object.entries(vocab), source)
  if (typeof model['dropout'] === 'number' && model['dropout'] > 0)
    throw new LabError(
      'TOKENIZER_UNSUPPORTED',
      `${source}: model.dropout is ${model['dropout']}, so that one text has many encodings; expected null. Set it to null in the file`,
    )
}

function checkIds(entries: [string, unknown][], source: string): void {
  const owner = new Map<number, string>()
  for (const [token, id] of entries) {
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > 0x7fff_ffff)
      throw invalid(source, `model.vocab: expected a non-negative integer id for "${token}", got ${JSON.stringify(id)}`)
    const other = owner.get(id)
    if (other !== undefined) throw invalid(source, `model.vocab: tokens "${other}" and "${token}" share the id ${id}`)
    owner.set(id, token)
  }
}

function checkAddedTokens(tokens: unknown, source: string): void {
  if (!Array.isArray(tokens)) throw invalid(source, 'expected "added_tokens" to be a list')
  for (const [i, token] of tokens.entries())
    if (!isObject(token) || !Number.isInteger(token['id']) || typeof token['content'] !== 'string')
      throw invalid(source, `added_tokens[${i}]: expected { id, content, ... }, got ${JSON.stringify(token)}`)
}

function invalid(source: string, what: string): LabError {
  return new LabError(
    'TOKENIZER_INVALID',
    `${source}: not a usable tokenizer.json: ${what}. Download or convert the file again`,
  )
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

/** token -> id over the model's vocabulary and the added tokens. */
export function vocabularyOf(json: TokenizerJson): Map<string, number> {
  const { vocab } = json.model
  const ids = Array.isArray(vocab)
    ? new Map(vocab.map(([token], id) => [token, id]))
    : new Map<string, number>(Object.entries(vocab))
  for (const { content, id } of json.added_tokens) ids.set(content, id)
  return ids
}

/** A special token as `added_tokens` lists it: matched literally, never normalised, no spaces swallowed. */
export function specialToken(id: number, content: string): AddedTokenJson {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
}

/** A BPE model without dropout or affixes. */
export function bpeModel(
  vocab: Record<string, number>,
  merges: string[] | [string, string][],
  overrides: { unk_token?: string; fuse_unk?: boolean; byte_fallback?: boolean; ignore_merges?: boolean } = {},
): ModelJson {
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    ...overrides,
    vocab,
    merges,
  }
}

/** The post-processor that puts the BOS token before a text when special tokens are asked for. */
export function bosTemplate(bos: string, bosId: number): ComponentJson {
  const piece = (id: 'A' | 'B', type_id: number) => [
    { SpecialToken: { id: bos, type_id } },
    { Sequence: { id, type_id } },
  ]
  return {
    type: 'TemplateProcessing',
    single: piece('A', 0),
    pair: [...piece('A', 0), ...piece('B', 1)],
    special_tokens: { [bos]: { id: bos, ids: [bosId], tokens: [bos] } },
  }
}

/** A byte-level pre-tokenizer: cut by `pattern` (every match is a piece), then bytes to alphabet characters. */
export function byteLevelPreTokenizer(pattern: string): ComponentJson {
  return {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  }
}

/** The decoder of byte-level tokens. */
export const byteLevelDecoder: ComponentJson = {
  type: 'ByteLevel',
  add_prefix_space: true,
  trim_offsets: true,
  use_regex: true,
}
