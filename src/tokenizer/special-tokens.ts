import { LabError } from '../util/errors.js'
import { type AddedTokenJson, isObject, type TokenizerJson, vocabularyOf } from './tokenizer-json.js'

/** The files beside a tokenizer that name its special tokens; null where a file is absent. */
export interface SideFiles {
  tokenizerConfig: Record<string, unknown> | null
  specialTokensMap: Record<string, unknown> | null
  config: Record<string, unknown> | null
  generationConfig: Record<string, unknown> | null
}

/** The ids of BOS and EOS; null where the tokenizer has none. */
export interface SpecialTokenIds {
  bosTokenId: number | null
  eosTokenId: number | null
}

/**
 * Finds BOS and EOS: as `tokenizer_config.json` says (its null means "none"), else `special_tokens_map.json`, else
 * `config.json`, else `generation_config.json`, else what `fallback` says (the post-processor's template, or the ids
 * written in a SentencePiece model).
 * @param where the directory or file, for messages
 * @throws LabError `TOKENIZER_SPECIAL` when a named token or id is not in the vocabulary
 */
export function resolveSpecialTokens(
  json: TokenizerJson,
  files: SideFiles,
  where: string,
  fallback: SpecialTokenIds = templateTokens(json),
): SpecialTokenIds {
  const vocabulary = vocabularyOf(json)
  const resolve = (kind: 'bos' | 'eos', otherwise: number | null): number | null => {
    for (const [file, content] of [
      ['tokenizer_config.json', files.tokenizerConfig],
      ['special_tokens_map.json', files.specialTokensMap],
    ] as const) {
      const token = tokenText(content?.[`${kind}_token`])
      if (token === null) return null
      if (token !== undefined) return idOfToken(vocabulary, token, `${where}/${file}: ${kind}_token`)
    }
    const ids = new Set(vocabulary.values())
    for (const [file, content] of [
      ['config.json', files.config],
      ['generation_config.json', files.generationConfig],
    ] as const) {
      const value = content?.[`${kind}_token_id`]
      const id: unknown = Array.isArray(value) ? value[0] : value
      if (id !== undefined && id !== null) return checkId(ids, id, `${where}/${file}: ${kind}_token_id`)
    }
    return otherwise
  }
  return { bosTokenId: resolve('bos', fallback.bosTokenId), eosTokenId: resolve('eos', fallback.eosTokenId) }
}

/** A token as the configuration files write it, a string or an object with `content`; undefined when it is not mentioned. */
function tokenText(value: unknown): string | null | undefined {
  if (value === null || typeof value === 'string') return value
  if (isObject(value) && typeof value['content'] === 'string') return value['content']
  return undefined
}

function idOfToken(vocabulary: Map<string, number>, token: string, where: string): number {
  const id = vocabulary.get(token)
  if (id === undefined)
    throw new LabError(
      'TOKENIZER_SPECIAL',
      `${where} is "${token}", which the vocabulary lacks. The files of two models may be mixed`,
    )
  return id
}

function checkId(ids: Set<number>, id: unknown, where: string): number {
  if (typeof id !== 'number' || !ids.has(id))
    throw new LabError(
      'TOKENIZER_SPECIAL',
      `${where} is ${JSON.stringify(id)}, which the vocabulary lacks. The files of two models may be mixed`,
    )
  return id
}

/** BOS and EOS as a template post-processor puts them before and after a text. */
function templateTokens(json: TokenizerJson): SpecialTokenIds {
  const post = json.post_processor
  const processors = post?.type === 'Sequence' ? (post['processors'] as (typeof post)[]) : [post]
  const template = processors.find(processor => processor?.type === 'TemplateProcessing')
  const items = Array.isArray(template?.['single']) ? (template['single'] as Record<string, unknown>[]) : []
  const text = items.findIndex(item => 'Sequence' in item)
  const vocabulary = vocabularyOf(json)
  const idAt = (index: number): number | null => {
    const token = items[index]?.['SpecialToken']
    return isObject(token) ? (vocabulary.get(String(token['id'])) ?? null) : null
  }
  return { bosTokenId: text < 0 ? null : idAt(text - 1), eosTokenId: text < 0 ? null : idAt(text + 1) }
}

/**
 * The tokenizer with the tokens of `tokenizer_config.json`'s `added_tokens_decoder` that `tokenizer.json` does not list, as
 * transformers adds them on loading.
 * @throws LabError `TOKENIZER_SPECIAL` when such a token contradicts the vocabulary
 */
export function withConfiguredTokens(json: TokenizerJson, files: SideFiles, where: string): TokenizerJson {
  const configured = files.tokenizerConfig?.['added_tokens_decoder']
  if (!isObject(configured)) return json
  const known = vocabularyOf(json)
  const listed = new Set(json.added_tokens.map(token => token.content))
  const added: AddedTokenJson[] = []
  for (const [key, value] of Object.entries(configured)) {
    const content = tokenText(value)
    if (!isObject(value) || typeof content !== 'string' || listed.has(content)) continue
    const id = known.get(content) ?? Number(key)
    if (id !== Number(key))
      throw new LabError(
        'TOKENIZER_SPECIAL',
        `${where}/tokenizer_config.json: added_tokens_decoder gives "${content}" the id ${key}, tokenizer.json gives it ${id}. The files of two models may be mixed`,
      )
    const flag = (name: string) => value[name] === true
    added.push({
      id,
      content,
      single_word: flag('single_word'),
      lstrip: flag('lstrip'),
      rstrip: flag('rstrip'),
      normalized: flag('normalized'),
      special: flag('special'),
    })
  }
  if (added.length === 0) return json
  return { ...json, added_tokens: [...json.added_tokens, ...added].sort((a, b) => a.id - b.id) }
}
