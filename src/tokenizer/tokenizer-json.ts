/** The content of a Hugging Face `tokenizer.json`. Only what the lab itself writes or looks at is typed; the rest travels untouched. */
export interface TokenizerJson {
  version: string
  truncation: unknown
  padding: unknown
  added_tokens: AddedTokenJson[]
  normalizer: object | null
  pre_tokenizer: object | null
  post_processor: object | null
  decoder: object | null
  model: BpeModelJson
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

/** A byte-pair-encoding model: token -> id, and the merges in order of rank. */
export interface BpeModelJson {
  type: 'BPE'
  dropout: null
  unk_token: string | null
  continuing_subword_prefix: null
  end_of_word_suffix: null
  fuse_unk: boolean
  byte_fallback: boolean
  ignore_merges: boolean
  vocab: Record<string, number>
  merges: [string, string][] | string[]
}

/** A special token as `added_tokens` lists it: matched literally, never normalised, no spaces swallowed. */
export function specialToken(id: number, content: string): AddedTokenJson {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
}

/** The post-processor that puts the BOS token before a text when special tokens are asked for. */
export function bosTemplate(bos: string, bosId: number): object {
  const special = { SpecialToken: { id: bos, type_id: 0 } }
  return {
    type: 'TemplateProcessing',
    single: [special, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [
      special,
      { Sequence: { id: 'A', type_id: 0 } },
      { SpecialToken: { id: bos, type_id: 1 } },
      { Sequence: { id: 'B', type_id: 1 } },
    ],
    special_tokens: { [bos]: { id: bos, ids: [bosId], tokens: [bos] } },
  }
}

/** A byte-level pre-tokenizer: cut by `pattern` (every match is a piece), then bytes to alphabet characters. */
export function byteLevelPreTokenizer(pattern: string): object {
  return {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ],
  }
}

/** The decoder of byte-level tokens. */
export const byteLevelDecoder: object = {
  type: 'ByteLevel',
  add_prefix_space: true,
  trim_offsets: true,
  use_regex: true,
}
