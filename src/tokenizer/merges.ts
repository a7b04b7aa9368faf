/** A way to make a token of two others. */
interface Merge {
  left: string
  right: string
  rank: number
  leftRank: number
  rightRank: number
  leftLength: number
}

/**
 * The merges of a vocabulary whose tokens are ranked but whose merges were not stored (SentencePiece, tiktoken). Both of
 * those join, at each step, the neighbouring pair whose JOINED text is the token of the best rank. So every way to cut a
 * token in two tokens is a merge, ordered by the rank of the whole. What is left equal is put in the order that Hugging
 * Face's converters of the two forms put it in.
 *
 * @param ranks token -> rank; lower is merged first, tokens may share a rank
 * @param order `longestLeft`: the longer left part first, by code points, then the longer right part (SentencePiece);
 * `partRanks`: by the rank of the left, then of the right part (tiktoken)
 */
export function mergesOf(
  ranks: ReadonlyMap<string, number>,
  order: 'longestLeft' | 'partRanks',
): [left: string, right: string][] {
  const merges: Merge[] = []
  for (const [token, rank] of ranks) collectCuts(token, rank, ranks, merges)
  const compare =
    order === 'partRanks'
      ? (a: Merge, b: Merge) => a.rank - b.rank || a.leftRank - b.leftRank || a.rightRank - b.rightRank
      : (a: Merge, b: Merge) => a.rank - b.rank || b.leftLength - a.leftLength || length(b.right) - length(a.right)
  return merges.sort(compare).map(({ left, right }) => [left, right])
}

function collectCuts(token: string, rank: number, ranks: ReadonlyMap<string, number>, merges: Merge[]): void {
  let leftLength = 0
  for (let cut = 1; cut < token.length; cut++) {
    // never between the halves of a surrogate pair
    if (isLowSurrogate(token.charCodeAt(cut))) continue
    leftLength++
    const left = token.slice(0, cut)
    const leftRank = ranks.get(left)
    if (leftRank === undefined) continue
    const right = token.slice(cut)
    const rightRank = ranks.get(right)
    if (rightRank !== undefined) merges.push({ left, right, rank, leftRank, rightRank, leftLength })
  }
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff
}

function length(text: string): number {
  return Array.from(text).length
}
