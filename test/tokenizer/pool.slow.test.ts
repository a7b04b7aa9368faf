import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TokenizerPool } from '../../src/tokenizer/pool.js'
import { openTokenizer } from '../../src/tokenizer/tokenizer.js'
import { repositoryRoot } from '../support/shared.js'
import { directoryOf } from './support.js'

const demo = join(repositoryRoot, 'datasets/demo/base')
const texts = Array.from(
  { length: 100 },
  (_, i) => `document ${i}: ${'the sea is wide and the sky is far. '.repeat(i * 2)}`,
)

describe.each(['rust', 'js'] as const)('TokenizerPool, engine %s', engine => {
  let pool: TokenizerPool

  beforeAll(async () => {
    pool = await TokenizerPool.open(demo, { engine, threads: 2 })
  })
  afterAll(() => pool.dispose())

  it('gives the ids of the tokenizer in order, from several calls at once', async () => {
    expect([pool.engine, pool.threads]).toEqual([engine, 2])
    const tokenizer = await openTokenizer(demo, { engine })
    const expected = await tokenizer.encodeBatch(texts, { addSpecialTokens: true })
    const [all, few, none] = await Promise.all([
      pool.encodeBatch(texts, { addSpecialTokens: true }),
      pool.encodeBatch(texts.slice(5, 7)),
      pool.encodeBatch([]),
    ])
    expect(all).toEqual(expected)
    expect(few).toEqual(expected.slice(5, 7).map(ids => ids.subarray(1)))
    expect(none).toEqual([])
  })

  it('leaves the event loop alone while it works', async () => {
    let ticks = 0
    const timer = setInterval(() => ticks++, 2)
    const started = performance.now()
    await pool.encodeBatch(texts)
    clearInterval(timer)
    const elapsed = performance.now() - started
    // a blocked loop would tick once or twice whatever the time; a tenth of the possible ticks allows for a busy machine
    expect(ticks).toBeGreaterThan(elapsed / 20)
  })

  it('stops when aborted and goes on with the next call', async () => {
    const controller = new AbortController()
    const pending = pool.encodeBatch(texts, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(pending).rejects.toThrow('enough')
    await expect(pool.encodeBatch(texts, { signal: controller.signal })).rejects.toThrow('enough')
    expect((await pool.encodeBatch(['a'])).length).toBe(1)
  })

  it('hands an error of a worker to its caller only', async () => {
    const bad = pool.encodeBatch([{ length: 1 } as unknown as string])
    const good = pool.encodeBatch(['a'])
    await expect(bad).rejects.toMatchObject({ name: 'LabError', code: 'TOKENIZER_POOL' })
    expect((await good).length).toBe(1)
  })
})

describe('TokenizerPool', () => {
  it('rejects what is in progress when disposed, and everything after', async () => {
    const pool = await TokenizerPool.open(demo, { engine: 'js', threads: 1 })
    const pending = pool.encodeBatch(texts)
    const rejected = expect(pending).rejects.toThrow(/disposed/)
    await pool.dispose()
    await rejected
    await expect(pool.encodeBatch(['a'])).rejects.toMatchObject({ code: 'TOKENIZER_POOL' })
  })

  it('says why a tokenizer cannot be opened', async () => {
    const directory = directoryOf({ 'tokenizer.json': '{' })
    await expect(TokenizerPool.open(directory)).rejects.toMatchObject({ code: 'TOKENIZER_INVALID' })
    await expect(TokenizerPool.open(demo, { threads: 0 })).rejects.toThrow(/threads: expected a positive integer/)
  })
})
