import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { openTokenizer } from '../../src/tokenizer/tokenizer.js'
import { hasShared, repositoryRoot, shared } from '../support/shared.js'

const here = hasShared('data/general')
const title = `the demo vocabulary on held-out English${here ? '' : ' (the shared folder data/general is not here)'}`

describe.skipIf(!here)(title, () => {
  it('gives the same ids with both engines, loses nothing, and holds more than 3.5 bytes a token', async () => {
    const lines = gunzipSync(readFileSync(shared('data/general/validation.jsonl.gz')))
      .toString('utf8')
      .trimEnd()
      .split('\n')
    const texts = lines.map(line => (JSON.parse(line) as { text: string }).text)
    const folder = join(repositoryRoot, 'datasets/demo/base')
    const rust = await openTokenizer(folder, { engine: 'rust' })
    const js = await openTokenizer(folder, { engine: 'js' })
    expect([rust.vocabSize, rust.bosTokenId, rust.eosTokenId]).toEqual([4096, 0, 1])
    const ids = await rust.encodeBatch(texts)
    expect(await js.encodeBatch(texts)).toEqual(ids)
    expect(ids.map(list => rust.decode(list))).toEqual(texts)
    const tokens = ids.reduce((sum, list) => sum + list.length, 0)
    expect(Buffer.byteLength(texts.join('')) / tokens).toBeGreaterThan(3.5)
  })
})
