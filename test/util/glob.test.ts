import fc from 'fast-check'
import { expect, test } from 'vitest'
import { globToRegExp, isGlob } from '../../src/util/glob.js'

test.each([
  ['data/*.parquet', ['data/a.parquet'], ['data/x/a.parquet', 'data/a.parquet.bak', 'a.parquet']],
  ['data/**/*.zst', ['data/a.zst', 'data/x/y/a.zst'], ['a.zst', 'data/a.zstd']],
  ['**/train-0?.gz', ['train-01.gz', 'a/b/train-07.gz'], ['train-1.gz', 'a/train-0/.gz']],
  ['{arxiv,open-web-math}/train/*', ['arxiv/train/a', 'open-web-math/train/b'], ['algebraic-stack/train/a']],
  ['part-[0-3].x', ['part-2.x'], ['part-4.x']],
  ['part-[!0-3].x', ['part-4.x'], ['part-2.x', 'part-/.x']],
  ['a.b+c', ['a.b+c'], ['aXb+c', 'a.bbc']],
])('%s', (pattern, matching, others) => {
  const regexp = globToRegExp(pattern)
  for (const path of matching) expect(regexp.test(path), path).toBe(true)
  for (const path of others) expect(regexp.test(path), path).toBe(false)
})

test('a pattern without wildcards matches itself and nothing else', () => {
  const plain = fc.string({ unit: 'grapheme-ascii' }).filter(text => !isGlob(text))
  fc.assert(fc.property(plain, plain, (a, b) => globToRegExp(a).test(b) === (a === b)))
})

test('broken patterns are refused', () => {
  for (const pattern of ['{a,{b}', '[z-a]']) expect(() => globToRegExp(pattern)).toThrowError(/expected a glob/)
})
