import { afterEach, describe, expect, it, vi } from 'vitest'
import { openTokenizer } from '../../src/tokenizer/tokenizer.js'
import { directoryOf, tinyTokenizer } from './support.js'

const native = vi.hoisted(() => ({ broken: false }))

vi.mock('tokenizers', async importOriginal => {
  const actual = await importOriginal<{ default: object }>()
  return {
    get default() {
      if (native.broken) throw new Error('Cannot find native binding')
      return actual.default
    },
  }
})

describe('the choice of engine', () => {
  afterEach(() => {
    native.broken = false
  })

  it('is the native one where it loads', async () => {
    expect((await openTokenizer(directoryOf({ 'tokenizer.json': tinyTokenizer() }))).engine).toBe('rust')
  })

  it('falls to the JavaScript one where the binding does not load, and says so', async () => {
    native.broken = true
    expect((await openTokenizer(directoryOf({ 'tokenizer.json': tinyTokenizer() }))).engine).toBe('js')
  })

  it('is an error when the engine asked for does not load, and when neither can do it', async () => {
    native.broken = true
    const directory = directoryOf({ 'tokenizer.json': tinyTokenizer() })
    await expect(openTokenizer(directory, { engine: 'rust' })).rejects.toThrow(
      /does not load on .*Cannot find native binding.*npm install tokenizers/s,
    )
    const other = directoryOf({ 'tokenizer.json': { ...tinyTokenizer(), normalizer: { type: 'Lowercase' } } })
    await expect(openTokenizer(other)).rejects.toThrow(/does not load.*and the fallback: .*normalizer Lowercase/s)
  })
})
