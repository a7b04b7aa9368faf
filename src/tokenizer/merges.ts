/**
 * The merges of a vocabulary whose tokens are ranked but whose merges were not stored (SentencePiece, tiktoken). Both of
 * those join, at each step, the neighbouring pair whose JOINED text is the token of the best rank. So every way to cut a
 * token in two tokens is a merge, ordered by the rank of the whole, then by the ranks of the parts.
 *
 * @param tokens token -> rank (lower is merged first); each token is given as one string
 * @param cuts for a token, the positions at which it may be cut (between code points, or between byte characters)
 */
export function mergesOf(
  tokens: ReadonlyMap<string, number>,
  cuts: (token: string) => Iterable<number>,
): [string, string][] {
  const merges: [string, string][] = []
  for (const [token] of [...tokens].sort((a, b) => a[1] - b[1])) {
    const found: { left: string; right: string; leftRank: number; rightRank: number }[] = []
    for (const cut of cuts(token)) {
      const [left, right] = [token.slice(0, cut), token.slice(cut)]
      const [leftRank, rightRank] = [tokens.get(left), tokens.get(right)]
      if (leftRank !== undefined && rightRank !== undefined) found.push({ left, right, leftRank, rightRank })
    }
    found.sort((a, b) => a.leftRank - b.leftRank || a.rightRank - b.rightRank)
    for (const { left, right } of found) merges.push([left, right])
  }
  return merges
}

/** Every position strictly inside `token` that does not cut a surrogate pair. */
export function* codePointCuts(token: string): Generator<number> {
  for (let i = 1; i < token.length; i++) {
    const unit = token.charCodeAt(i)
    if (unit < 0xdc00 || unit > 0xdfff) yield i
  }
}
