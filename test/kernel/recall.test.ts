import { describe, expect, test } from 'vitest'
import { heldBytes, Recall } from '../../kernel/evaluator/recall.js'

describe('how much a value holds', () => {
  test('arrays, texts and buffers, each once', () => {
    const shared = new Float64Array(1000)
    expect(heldBytes({ a: shared, b: [shared], c: new Map([[shared, 'x'.repeat(500)]]) })).toBeGreaterThanOrEqual(8500)
    expect(heldBytes({ a: shared, b: [shared], c: new Map([[shared, 'x'.repeat(500)]]) })).toBeLessThan(9500)
    expect(heldBytes(7)).toBe(0)
  })

  test('very many objects are large, and no code of the value runs', () => {
    expect(heldBytes(Array.from({ length: 5000 }, () => ({})))).toBeGreaterThan(4e6)
    const trap = () => {
      throw new Error('touched')
    }
    const hostile = Object.defineProperty({}, 'x', { get: trap, enumerable: true })
    expect(heldBytes([hostile, new Proxy({}, { ownKeys: trap, get: trap, getOwnPropertyDescriptor: trap })])).toBe(80)
  })
})

describe('what is kept', () => {
  test('the newest results, and of large ones only the last three', () => {
    const recall = new Recall()
    const global = globalThis as unknown as { Out: Record<number, unknown>; _: unknown; ___: unknown; _1?: unknown }
    for (let count = 1; count <= 1200; count++) recall.addResult({ count, value: `r${count}`, type: 'string' })
    expect([Object.keys(global.Out).length, global.Out[200], global.Out[201]]).toEqual([1000, undefined, 'r201'])
    for (let count = 1201; count <= 1210; count++)
      recall.addResult({ count, value: new Uint8Array(20e6), type: 'Uint8Array' })
    expect(Object.keys(global.Out)).toEqual(['1208', '1209', '1210'])
    // compared by identity: their 20 million elements are nothing for a matcher
    expect(global._ === global.Out[1210] && global.___ === global.Out[1208]).toBe(true)
    expect(recall.declarationsFor('_1 + _1209 + _ + x._ + Out[1210]', new Set(['_']))).toMatch(
      /^declare let _1209: Uint8Array;\n.*\n.*Out: \{ 1210: Uint8Array; \[count: number\]: any \};\n$/,
    )
    recall.dispose()
    expect('Out' in globalThis || '_1209' in globalThis).toBe(false)
  })
})
