import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DocumentStream } from '../../src/data/document-stream.js'
import { mixShares, pickSource } from '../../src/data/mix.js'
import { Packer, textBytesBetween } from '../../src/data/pack.js'
import { WindowShuffle } from '../../src/data/window-shuffle.js'
import { dataset, sampleTexts, temporaryFolder, writeShard } from './helpers.js'

describe('window shuffle', () => {
  const folder = temporaryFolder()
  const texts = ['a', 'b', 'c'].flatMap((label, i) => {
    const shard = sampleTexts(label, 7 + 4 * i)
    writeShard(folder, `${label}.jsonl`, shard)
    return shard
  })
  const open = async (seed: number, windowDocs: number, windowBytes = 1e9) =>
    new WindowShuffle({
      documents: new DocumentStream({ dataset: await dataset(folder, { name: 'd', files: '*.jsonl' }), seed }),
      seed,
      windowDocs,
      windowBytes,
    })
  const take = async (shuffle: WindowShuffle, count: number) => {
    const got: string[] = []
    for (let i = 0; i < count; i++) got.push((await shuffle.next()).text)
    return got
  }

  it('gives every document once an epoch, in another order each epoch and seed, the same for the same seed', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1000), fc.integer({ min: 4, max: 50 }), async (seed, windowDocs) => {
        const shuffle = await open(seed, windowDocs)
        const first = await take(shuffle, texts.length)
        const second = await take(shuffle, texts.length)
        await shuffle.close()
        expect([...first].sort()).toEqual([...texts].sort())
        expect([...second].sort()).toEqual([...texts].sort())
        expect(second).not.toEqual(first)
        const again = await open(seed, windowDocs)
        expect(await take(again, texts.length)).toEqual(first)
        await again.close()
        const other = await open(seed + 1, windowDocs)
        expect(await take(other, texts.length)).not.toEqual(first)
        await other.close()
      }),
      { numRuns: 25 },
    )
  })

  it('goes on exactly from the state after any document, through JSON', async () => {
    const shuffle = await open(3, 4)
    const states: string[] = []
    const all: string[] = []
    for (let i = 0; i < 2 * texts.length + 5; i++) {
      all.push((await shuffle.next()).text)
      states.push(JSON.stringify(shuffle.state()))
    }
    await shuffle.close()
    for (const [i, state] of states.entries()) {
      const resumed = await open(3, 4)
      await resumed.restore(JSON.parse(state))
      expect(await take(resumed, Math.min(6, all.length - 1 - i))).toEqual(all.slice(i + 1, i + 7))
      await resumed.close()
    }
  })

  it('closes a window early when its text is large', async () => {
    const shuffle = await open(3, 1000, 1)
    const windows = new Set<number>()
    for (let i = 0; i < texts.length; i++) {
      await shuffle.next()
      windows.add(shuffle.state().window)
    }
    await shuffle.close()
    expect(windows.size).toBe(texts.length)
  })

  it('neighbours in the files end up far apart: mean distance at least a quarter of the window', async () => {
    const big = temporaryFolder()
    writeShard(
      big,
      'big.jsonl',
      Array.from({ length: 512 }, (_, i) => `${i}`),
    )
    const documents = new DocumentStream({ dataset: await dataset(big, { name: 'd', files: '*.jsonl' }), seed: 1 })
    const shuffle = new WindowShuffle({ documents, seed: 1, windowDocs: 256 })
    const order = (await take(shuffle, 512)).map(Number)
    await shuffle.close()
    const jumps = order.slice(1).map((value, i) => Math.abs(value - order[i]!))
    expect(jumps.reduce((a, b) => a + b) / jumps.length).toBeGreaterThan(64)
  })
})

describe('mix', () => {
  it('keeps every source within one document of its share: above by its own, below by one of each other', () => {
    const source = fc.record({
      weight: fc.double({ min: 0.01, max: 100, noNaN: true }),
      lengths: fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 }),
    })
    fc.assert(
      fc.property(fc.array(source, { minLength: 1, maxLength: 5 }), sources => {
        const shares = mixShares(sources.map(({ weight }, i) => ({ name: `${i}`, weight })))
        const longest = sources.map(({ lengths }) => Math.max(...lengths))
        const tokens = sources.map(() => 0)
        const taken = sources.map(() => 0)
        const allLongest = longest.reduce((a, b) => a + b)
        // both at most 0 as long as the bounds hold
        let above = Number.NEGATIVE_INFINITY
        let below = Number.NEGATIVE_INFINITY
        for (let n = 0; n < 300; n++) {
          const i = pickSource(shares, tokens)
          const { lengths } = sources[i]!
          tokens[i]! += lengths[taken[i]!++ % lengths.length]!
          const total = tokens.reduce((a, b) => a + b)
          for (const [j, share] of shares.entries()) {
            const surplus = tokens[j]! - share * total
            above = Math.max(above, surplus - longest[j]!)
            below = Math.max(below, -surplus - (allLongest - longest[j]!))
          }
        }
        expect(above).toBeLessThanOrEqual(1e-6)
        expect(below).toBeLessThanOrEqual(1e-6)
      }),
    )
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses the weight %d', weight => {
    const weights = [
      { name: 'a', weight: 1 },
      { name: 'b', weight },
    ]
    expect(() => mixShares(weights)).toThrow(
      expect.objectContaining({ code: 'MIX_WEIGHT', message: expect.stringContaining('source b') }),
    )
  })
})

describe('pack', () => {
  const segment = (tokens: number[], textBytes: number, tag = 0) => ({
    tokens: Int32Array.from(tokens),
    textStart: Math.min(1, tokens.length),
    textEnd: Math.max(Math.min(1, tokens.length), tokens.length - 1),
    textBytes,
    tag,
  })

  it('predicts every token but the first once, and conserves tokens and bytes', () => {
    const documents = fc.array(fc.record({ length: fc.nat(40), bytes: fc.nat(200) }), { maxLength: 30 })
    fc.assert(
      fc.property(documents, fc.integer({ min: 1, max: 17 }), (docs, seqLen) => {
        const packer = new Packer<number>(seqLen)
        const stream: number[] = []
        const served: number[] = []
        let bytes = 0
        let rows = 0
        for (const [d, { length, bytes: textBytes }] of docs.entries()) {
          const tokens = Array.from({ length }, (_, i) => 1000 * d + i)
          stream.push(...tokens)
          packer.push(segment(tokens, textBytes, d))
          for (let row = packer.take(); row; row = packer.take()) {
            if (rows++ === 0) served.push(row.tokens[0]!)
            else expect(row.tokens[0]).toBe(served.at(-1))
            served.push(...row.tokens.subarray(1))
            bytes += row.bytes
            // spans tell where every input came from, boundaries where documents begin
            const inputs = row.spans.flatMap(s =>
              Array.from({ length: s.count }, (_, i) => 1000 * s.tag + s.offset + i),
            )
            expect(inputs).toEqual([...row.tokens.subarray(0, seqLen)])
            expect([...row.boundaries]).toEqual(row.spans.filter(s => s.offset === 0).map(s => s.rowStart))
            expect(row.targets.reduce((sum, t) => sum + t.count, 0)).toBe(seqLen)
          }
        }
        expect(served).toEqual(stream.slice(0, served.length))
        // tokens in = targets out + carry
        expect(stream.length).toBe(rows * seqLen + packer.carry)
        expect(packer.carry).toBeLessThanOrEqual(seqLen)
        const total = docs.reduce((sum, { length, bytes: b }) => sum + (length > 2 ? b : 0), 0)
        expect(bytes).toBeLessThanOrEqual(total)
        // a lone last token is BOS or EOS here: all text has been a target
        if (packer.carry === 1) expect(bytes).toBe(total)
      }),
    )
  })

  it('splits the bytes of a document so that any partition sums to its size', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.nat(1000),
        fc.array(fc.nat(60)),
        (textTokens, textBytes, cuts) => {
          const part = { tokens: new Int32Array(textTokens + 2), textStart: 1, textEnd: textTokens + 1, textBytes }
          const points = [0, ...cuts.map(c => c % (textTokens + 3)).sort((a, b) => a - b), textTokens + 2]
          const parts = points.slice(1).map((to, i) => textBytesBetween(part, points[i]!, to))
          expect(parts.reduce((a, b) => a + b)).toBe(textBytes)
          expect(Math.min(...parts)).toBeGreaterThanOrEqual(0)
        },
      ),
    )
  })
})
