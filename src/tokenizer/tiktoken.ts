import { LabError } from '../util/errors.js'
import { bytesToToken } from './byte-level.js'
import { mergesOf } from './merges.js'
import { conversionAdvice } from './sentencepiece.js'
import {
  bosTemplate,
  bpeModel,
  byteLevelDecoder,
  byteLevelPreTokenizer,
  specialToken,
  type TokenizerJson,
} from './tokenizer-json.js'

/** Where Llama 3 cuts a text before merging (the pattern of its reference tokenizer). */
export const llama3SplitPattern =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

const llama3Ranks = 128_000

/** The 256 special tokens of Llama 3, ids 128000..128255. Llama 3.1 names some of the reserved ones; their ids are the same. */
export function llama3SpecialTokens(): string[] {
  const named: Record<number, string> = {
    0: '<|begin_of_text|>',
    1: '<|end_of_text|>',
    6: '<|start_header_id|>',
    7: '<|end_header_id|>',
    9: '<|eot_id|>',
  }
  let reserved = 0
  return Array.from({ length: 256 }, (_, i) => named[i] ?? `<|reserved_special_token_${reserved++}|>`)
}

/** Whether the bytes begin as a ranks file does: `<base64> <number>\n`. */
export function looksLikeTiktoken(bytes: Uint8Array): boolean {
  return /^[A-Za-z0-9+/]+={0,2} \d+\r?\n/.test(new TextDecoder('latin1').decode(bytes.subarray(0, 400)))
}

/**
 * Converts the ranks file of Llama 3 (`tokenizer.model`, tiktoken form: one `<base64 of the bytes> <rank>` a line) into a
 * `tokenizer.json` that gives the same ids.
 * @returns the tokenizer and the ids of BOS (`<|begin_of_text|>`) and EOS (`<|end_of_text|>`)
 * @throws LabError `TOKENIZER_INVALID` for a damaged line; `TOKENIZER_UNSUPPORTED` when it does not hold the 128,000 ranks of
 * Llama 3 (the file does not say where texts are cut, so another one cannot be used)
 */
export function convertTiktoken(
  bytes: Uint8Array,
  source: string,
): { json: TokenizerJson; bosTokenId: number; eosTokenId: number } {
  const ranks = readRanks(bytes, source)
  if (ranks.size !== llama3Ranks)
    throw new LabError(
      'TOKENIZER_UNSUPPORTED',
      `${source}: expected the ${llama3Ranks} ranks of Llama 3, got ${ranks.size}; a ranks file does not say where texts are cut, so it is not known how to use this one. ${conversionAdvice}`,
    )
  return ranksToJson(ranks, llama3SpecialTokens(), llama3SplitPattern)
}

/** A byte-level tokenizer of ranked tokens; the special tokens follow the last rank, the first two being BOS and EOS. */
export function ranksToJson(
  ranks: Map<string, number>,
  specialTokens: string[],
  pattern: string,
): { json: TokenizerJson; bosTokenId: number; eosTokenId: number } {
  const first = ranks.size
  const json: TokenizerJson = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((token, i) => specialToken(first + i, token)),
    normalizer: null,
    pre_tokenizer: byteLevelPreTokenizer(pattern),
    post_processor: bosTemplate(specialTokens[0]!, first),
    decoder: byteLevelDecoder,
    // a piece that is a token as a whole is that token, also where no chain of merges leads to it
    model: bpeModel(Object.fromEntries(ranks), mergesOf(ranks, byteCuts), { ignore_merges: true }),
  }
  return { json, bosTokenId: first, eosTokenId: first + 1 }
}

// one alphabet character stands for one byte, and all of them are single UTF-16 units
function* byteCuts(token: string): Generator<number> {
  for (let i = 1; i < token.length; i++) yield i
}

function readRanks(bytes: Uint8Array, source: string): Map<string, number> {
  const ranks = new Map<string, number>()
  const lines = new TextDecoder('latin1').decode(bytes).split('\n')
  if (lines.at(-1) === '') lines.pop()
  for (const [i, line] of lines.entries()) {
    const match = /^([A-Za-z0-9+/]+={0,2}) (\d+)\r?$/.exec(line)
    const token = match ? bytesToToken(Buffer.from(match[1]!, 'base64')) : ''
    if (!match || Number(match[2]) !== i || ranks.has(token))
      throw new LabError(
        'TOKENIZER_INVALID',
        `${source}: line ${i + 1}: expected "<base64 of a new token> ${i}", got "${line.slice(0, 60)}". Download the file again`,
      )
    ranks.set(token, i)
  }
  return ranks
}
