import { LabError } from '../util/errors.js'
import { byteAlphabet } from './byte-level.js'
import { PairHeap } from './pair-heap.js'
import {
  bosTemplate,
  bpeModel,
  byteLevelDecoder,
  byteLevelPreTokenizer,
  specialToken,
  type TokenizerJson,
} from './tokenizer-json.js'

/** What {@link trainBpe} is asked for. */
export interface TrainBpeOptions {
  /** Tokens in all: special tokens + 256 bytes + merges. */
  vocabSize: number
  /** Special tokens, ids 0, 1, 2, ...; the first is BOS and is put before a text when special tokens are asked for. */
  specialTokens?: string[]
  /** A pair seen fewer times than this is never merged. Default 2. */
  minFrequency?: number
}

/**
 * Where a text is cut before merging (merges never cross a cut). After Llama 3: an English contraction; a word with at most one
 * leading space or sign; ONE digit; a run of signs; line ends; spaces. Llama 3 keeps up to three digits together and writes
 * the contractions with `(?i:...)`, which the regular expressions of Node 20 do not know.
 */
export const demoSplitPattern =
  "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

// a pair of ids as one exact integer; the smaller left id (then right id) is the smaller key, which settles ties
const SHIFT = 2 ** 22

/**
 * Trains a byte-level BPE vocabulary and returns it as a Hugging Face `tokenizer.json` object.
 *
 * Start from the 256 bytes; `vocabSize - 256 - specialTokens.length` times join the pair of neighbouring tokens with the
 * highest count into a new token (equal counts: the pair whose left, then right id is lower). Pieces are those of
 * {@link demoSplitPattern}. There is no unknown token and no normaliser: every text comes back from its ids unchanged. The
 * result is a pure function of the multiset of documents and the options. (Gage 1994; Sennrich et al., arXiv:1508.07909;
 * bytes as the alphabet: Radford et al. 2019.)
 * @param documents texts; read once
 * @throws LabError `TOKENIZER_TRAIN` when `vocabSize` is out of range or the documents have too few repeated pairs for it
 */
export function trainBpe(documents: Iterable<string>, options: TrainBpeOptions): TokenizerJson {
  const { vocabSize, specialTokens = ['<|begin_of_text|>', '<|end_of_text|>'], minFrequency = 2 } = options
  const firstMerge = specialTokens.length + 256
  checkOptions(vocabSize, specialTokens, firstMerge)
  const trainer = new Trainer(countPieces(documents), specialTokens.length)
  const vocab: [string, number][] = specialTokens.map((token, id) => [token, id])
  const tokens: string[] = [...specialTokens, ...byteAlphabet]
  byteAlphabet.forEach((token, byte) => {
    vocab.push([token, specialTokens.length + byte])
  })
  const merges: string[] = []
  while (tokens.length < vocabSize) {
    const pair = trainer.mergeNext(tokens.length, minFrequency)
    if (!pair) throw tooFewPairs(vocabSize, tokens.length, minFrequency)
    const [left, right] = [tokens[pair[0]]!, tokens[pair[1]]!]
    merges.push(`${left} ${right}`)
    vocab.push([left + right, tokens.length])
    tokens.push(left + right)
  }
  return byteLevelJson(Object.fromEntries(vocab), merges, specialTokens)
}

function checkOptions(vocabSize: number, specialTokens: string[], smallest: number): void {
  if (!Number.isInteger(vocabSize) || vocabSize < smallest || vocabSize > SHIFT)
    throw new LabError(
      'TOKENIZER_TRAIN',
      `vocabSize: expected an integer from ${smallest} (256 bytes + ${specialTokens.length} special tokens) to ${SHIFT}, got ${vocabSize}`,
    )
  const twice = specialTokens.find((token, i) => token === '' || specialTokens.indexOf(token) !== i)
  if (twice !== undefined)
    throw new LabError(
      'TOKENIZER_TRAIN',
      `specialTokens: expected different, non-empty strings, got "${twice}" twice or empty`,
    )
}

function tooFewPairs(vocabSize: number, reached: number, minFrequency: number): LabError {
  return new LabError(
    'TOKENIZER_TRAIN',
    `vocabSize ${vocabSize} asked for, but after ${reached} tokens no pair is left that occurs ${minFrequency} times: give more text, or a smaller vocabSize or minFrequency`,
  )
}

/** How often each piece occurs. */
function countPieces(documents: Iterable<string>): Map<string, number> {
  // `\s` of JavaScript has U+FEFF and lacks U+0085; the engines that will use the vocabulary follow Unicode's White_Space
  const pattern = demoSplitPattern.replaceAll('\\s', '\\p{White_Space}').replaceAll('\\S', '\\P{White_Space}')
  const split = new RegExp(pattern, 'gu')
  const counts = new Map<string, number>()
  for (const document of documents)
    for (const piece of document.match(split) ?? []) counts.set(piece, (counts.get(piece) ?? 0) + 1)
  return counts
}

/** The pieces as token ids, with the count of every neighbouring pair kept up to date merge by merge. */
class Trainer {
  readonly #pieces: number[][] = []
  readonly #frequency: number[] = []
  readonly #pairCount = new Map<number, number>()
  readonly #pairPieces = new Map<number, Set<number>>()
  readonly #heap = new PairHeap()

  constructor(pieces: Map<string, number>, firstByteId: number) {
    const encoder = new TextEncoder()
    for (const [piece, frequency] of pieces) {
      const ids = Array.from(encoder.encode(piece), byte => byte + firstByteId)
      if (ids.length < 2) continue
      this.#count(ids, this.#pieces.push(ids) - 1, frequency)
      this.#frequency.push(frequency)
    }
    for (const [key, count] of this.#pairCount) this.#heap.push(count, key)
  }

  /** Joins the most frequent pair into `newId` everywhere and returns it; undefined when none reaches `minFrequency`. */
  mergeNext(newId: number, minFrequency: number): [number, number] | undefined {
    for (;;) {
      const top = this.#heap.pop()
      if (!top) return undefined
      const count = this.#pairCount.get(top.key) ?? 0
      if (count !== top.count) {
        // counts of old pairs only fall; their heap entries are put right here, when they come up
        if (count > 0) this.#heap.push(count, top.key)
        continue
      }
      if (count < minFrequency) return undefined
      const pair: [number, number] = [Math.floor(top.key / SHIFT), top.key % SHIFT]
      this.#merge(top.key, pair, newId)
      return pair
    }
  }

  #merge(key: number, pair: [number, number], newId: number): void {
    const grown = new Set<number>()
    for (const index of this.#pairPieces.get(key) ?? []) {
      const before = this.#pieces[index]!
      const after = joinPair(before, pair, newId)
      if (after.length === before.length) continue
      const frequency = this.#frequency[index]!
      this.#count(before, index, -frequency)
      this.#count(after, index, frequency)
      this.#pieces[index] = after
      for (let i = 0; i + 1 < after.length; i++)
        if (after[i] === newId || after[i + 1] === newId) grown.add(after[i]! * SHIFT + after[i + 1]!)
    }
    this.#pairPieces.delete(key)
    this.#pairCount.delete(key)
    for (const pairKey of grown) this.#heap.push(this.#pairCount.get(pairKey)!, pairKey)
  }

  #count(ids: number[], index: number, frequency: number): void {
    for (let i = 0; i + 1 < ids.length; i++) {
      const key = ids[i]! * SHIFT + ids[i + 1]!
      this.#pairCount.set(key, (this.#pairCount.get(key) ?? 0) + frequency)
      if (frequency < 0) continue
      const holders = this.#pairPieces.get(key)
      if (holders) holders.add(index)
      else this.#pairPieces.set(key, new Set([index]))
    }
  }
}

function joinPair(ids: number[], [left, right]: [number, number], newId: number): number[] {
  const joined: number[] = []
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === left && ids[i + 1] === right) {
      joined.push(newId)
      i++
    } else joined.push(ids[i]!)
  }
  return joined
}

function byteLevelJson(vocab: Record<string, number>, merges: string[], specialTokens: string[]): TokenizerJson {
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: specialTokens.map((token, id) => specialToken(id, token)),
    normalizer: null,
    pre_tokenizer: byteLevelPreTokenizer(demoSplitPattern),
    post_processor: specialTokens.length > 0 ? bosTemplate(specialTokens[0]!, 0) : null,
    decoder: byteLevelDecoder,
    model: bpeModel(vocab, merges),
  }
}
