import fc from 'fast-check'
import { expect, test } from 'vitest'
import { formatHubAddress, parseHubAddress, resolveUrl } from '../../src/checkpoint/hub-address.js'

const model = (repo: string, revision: string | null = null, path = '') => ({ repoType: 'model', repo, revision, path })
const dataset = (repo: string, revision: string | null = null, path = '') => ({
  repoType: 'dataset',
  repo,
  revision,
  path,
})

test.each([
  ['hf://meta-llama/Llama-2-7b-hf', model('meta-llama/Llama-2-7b-hf')],
  ['hf://models/a/b', model('a/b')],
  ['hf://a/b/', model('a/b')],
  ['hf://a/b@v1.0', model('a/b', 'v1.0')],
  ['hf://a/b@refs/pr/12/sub', model('a/b', 'refs/pr/12', 'sub')],
  ['hf://a/b@feature%2Fx/sub/dir', model('a/b', 'feature/x', 'sub/dir')],
  ['hf://datasets/EleutherAI/proof-pile-2', dataset('EleutherAI/proof-pile-2')],
  ['hf://datasets/a/b@refs/convert/parquet/data/*.parquet', dataset('a/b', 'refs/convert/parquet', 'data/*.parquet')],
  ['hf://datasets/a/b/x@y/z?.gz', dataset('a/b', null, 'x@y/z?.gz')],
  ['hf://datasets/b', model('datasets/b')],
])('%s', (text, address) => expect(parseHubAddress(text)).toEqual(address))

test.each([
  ['https://huggingface.co/datasets/a/b/tree/main/data', 'for this page write hf://datasets/a/b@main/data'],
  ['hf:/a/b', 'does not start with "hf://"'],
  ['hf://gpt2', '"gpt2" has no owner'],
  ['hf://', 'has no owner'],
  ['hf://a/', '"" is not a name'],
  ['hf://a/b--c', '"b--c" is not a name'],
  ['hf://../b', '".." is not a name'],
  ['hf://a/b@', '"" is not a revision'],
  ['hf://a/b@x y', '"x y" is not a revision'],
  ['hf://a/b@%E0%A4%A', 'broken %-escape'],
  ['hf://a/b@..%2F..', 'is not a revision'],
  ['hf://a/b/../c', 'has an empty, "." or ".." segment'],
  ['hf://a/b//c', 'has an empty'],
  ['hf://spaces/a/b', '"spaces" hold no models'],
])('%s is refused', (text, why) => expect(() => parseHubAddress(text)).toThrowError(why))

test('formatting and parsing are inverse', () => {
  const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_.]{0,8}[A-Za-z0-9]$/).filter(text => !/\.\.|\.git$/.test(text))
  const segment = fc.stringMatching(/^[A-Za-z0-9@*%{},=+ -]{1,8}$/)
  const revision = fc.stringMatching(/^[A-Za-z0-9%_-]{1,6}(\/[A-Za-z0-9]{1,4})?$/)
  const address = fc.record({
    repoType: fc.constantFrom('model' as const, 'dataset' as const),
    repo: fc.tuple(name, name).map(parts => parts.join('/')),
    revision: fc.option(fc.oneof(revision, fc.constant('refs/pr/3'))),
    path: fc.array(segment, { maxLength: 3 }).map(parts => parts.join('/')),
  })
  fc.assert(fc.property(address, value => void expect(parseHubAddress(formatHubAddress(value))).toEqual(value)))
})

test('URLs escape what has a meaning in URLs', () => {
  const address = parseHubAddress('hf://datasets/a/b')
  expect(resolveUrl('https://hub', address, 'refs/pr/1', 'x y/#1?.json')).toBe(
    'https://hub/datasets/a/b/resolve/refs%2Fpr%2F1/x%20y/%231%3F.json',
  )
})
