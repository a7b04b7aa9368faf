import { knownDecoders } from './token-decoder.js'
import type { ComponentJson, TokenizerJson } from './tokenizer-json.js'

/**
 * What of a tokenizer the pure JavaScript engine cannot express, one line each; empty when it can be used. The engine is
 * trusted with what was compared with the native one (byte-level and SentencePiece-like BPE); everything else is refused
 * rather than tokenised a little differently. One difference is left: where a pattern ignores case, it folds ASCII letters
 * only (the native engine also takes U+017F for `s`).
 */
export function jsObstacles(json: TokenizerJson): string[] {
  const found: string[] = []
  modelObstacles(json, found)
  for (const token of json.added_tokens)
    if (token.single_word) found.push(`added token "${token.content}": single_word`)
  each(json.normalizer, 'normalizers', part => normalizerObstacle(part, found))
  each(json.pre_tokenizer, 'pretokenizers', part => preTokenizerObstacle(part, found))
  let templates = 0
  each(json.post_processor, 'processors', part => {
    if (part.type === 'TemplateProcessing') templates++
    else if (part.type !== 'ByteLevel') found.push(`post-processor ${part.type}`)
  })
  if (templates > 1) found.push('more than one post-processor TemplateProcessing')
  each(json.decoder, 'decoders', part => {
    if (!(knownDecoders as readonly string[]).includes(part.type)) found.push(`decoder ${part.type}`)
    else if (part.type === 'Replace' && !hasString(part['pattern']))
      found.push('decoder Replace with a regular expression')
  })
  return found
}

/** Calls `visit` for a component, or for the parts of a Sequence. */
function each(part: ComponentJson | null | undefined, parts: string, visit: (part: ComponentJson) => void): void {
  if (!part) return
  if (part.type === 'Sequence') for (const inner of part[parts] as ComponentJson[]) each(inner, parts, visit)
  else visit(part)
}

function modelObstacles(json: TokenizerJson, found: string[]): void {
  const { model } = json
  if ((model.type ?? 'BPE') !== 'BPE' || !model.merges) {
    found.push(`model ${model.type ?? 'without type'}`)
    return
  }
  for (const field of ['continuing_subword_prefix', 'end_of_word_suffix'])
    if (model[field]) found.push(`model.${field}`)
}

function normalizerObstacle(part: ComponentJson, found: string[]): void {
  if (part.type === 'Replace') patternObstacles(part['pattern'], 'normalizer Replace', found)
  else if (!['NFC', 'NFD', 'NFKC', 'NFKD', 'Prepend'].includes(part.type)) found.push(`normalizer ${part.type}`)
}

function preTokenizerObstacle(part: ComponentJson, found: string[]): void {
  switch (part.type) {
    case 'Split': {
      patternObstacles(part['pattern'], 'pre-tokenizer Split', found)
      const [behavior, invert] = [part['behavior'], part['invert'] === true]
      if (behavior !== 'Removed' && (behavior !== 'Isolated' || invert))
        found.push(`pre-tokenizer Split with behavior ${behavior}${invert ? ', inverted' : ''}`)
      return
    }
    case 'ByteLevel':
      if (part['add_prefix_space'] === true) found.push('pre-tokenizer ByteLevel with add_prefix_space')
      return
    case 'Metaspace':
      if (part['split'] !== false) found.push('pre-tokenizer Metaspace with split')
      return
    case 'Digits':
      return
    default:
      found.push(`pre-tokenizer ${part.type}`)
  }
}

function patternObstacles(pattern: unknown, where: string, found: string[]): void {
  if (hasString(pattern)) return
  const regex = (pattern as { Regex?: unknown } | null)?.Regex
  if (typeof regex !== 'string') found.push(`${where} without a pattern`)
  else for (const construct of foreignConstructs(regex)) found.push(`${where}: ${construct} in ${regex}`)
}

/** The constructs of Oniguruma that JavaScript lacks and that the engine would take for something near. */
function foreignConstructs(regex: string): string[] {
  const found = Array.from(regex.matchAll(/\\(.)/gs), match => match[1]!)
    .filter(letter => 'GKRX'.includes(letter))
    .map(letter => `\\${letter}`)
  const outsideClasses = regex.replace(/\\./gs, 'E').replace(/\[[^\]]*\]/g, 'C')
  if (outsideClasses.includes('(?>')) found.push('an atomic group')
  if (/[?*+]\+/.test(outsideClasses)) found.push('a possessive quantifier')
  return found
}

function hasString(pattern: unknown): boolean {
  return typeof (pattern as { String?: unknown } | null)?.String === 'string'
}

/** Where byte-level tokenizers cut when they name no pattern (GPT-2). */
const gpt2SplitPattern = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/**
 * The same tokenizer in the terms that the JavaScript engine handles exactly: its own GPT-2 pattern and its `Digits` use the
 * character classes of JavaScript (`\s` with U+FEFF and without U+0085, `\d` for ASCII only), while patterns that it is given
 * are translated by the rules of the native engine.
 */
export function rewriteForJs(json: TokenizerJson): TokenizerJson {
  return { ...json, pre_tokenizer: json.pre_tokenizer ? rewritePreTokenizer(json.pre_tokenizer) : null }
}

function rewritePreTokenizer(part: ComponentJson): ComponentJson {
  const split = (pattern: string) => ({
    type: 'Split',
    pattern: { Regex: pattern },
    behavior: 'Isolated',
    invert: false,
  })
  if (part.type === 'Sequence')
    return { ...part, pretokenizers: (part['pretokenizers'] as ComponentJson[]).map(rewritePreTokenizer) }
  if (part.type === 'Digits') return split(part['individual_digits'] === true ? '\\p{N}' : '\\p{N}+')
  if (part.type === 'ByteLevel' && part['use_regex'] !== false)
    return { type: 'Sequence', pretokenizers: [split(gpt2SplitPattern), { ...part, use_regex: false }] }
  return part
}
