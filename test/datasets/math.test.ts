import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { composeMath, type MathRecord, mathShards, problemSignature } from '../../datasets/demo/math-shards.js'
import { catalog } from '../../datasets/demo/problems/catalog.js'
import { differences } from '../../datasets/demo/shard-file.js'
import { type Bindings, chainsOf, checkChain, evaluate, rational } from '../support/equations.js'

const demo = fileURLToPath(new URL('../../datasets/demo', import.meta.url))
const { train, validation } = composeMath()
const all = [...train, ...validation]

/** Where an equation with variables must hold: at the solution, at both solutions, or everywhere (several points stand for that). */
function bindingsOf({ meta }: MathRecord): Bindings[] {
  const everywhere = [1n, 2n, 5n].map((n): Bindings => ({ x: { n, d: 1n }, k: { n, d: 1n }, n: { n, d: 1n } }))
  if (meta.topic === 'induction' || meta.template === 'quadratics.expand') return everywhere
  const both = /^x = (\S+) and y = (\S+)$/.exec(meta.answer)
  if (both) return [{ x: rational(both[1]!), y: rational(both[2]!) }]
  return [...meta.answer.matchAll(/x = (-?\d+(?:\/\d+)?)/g)].map(match => ({ x: rational(match[1]!) }))
}

/** `x = 4` beside `x = 5`, or `n = 3` in a proof, names one case and is no equation to hold in all of them. */
const isCase = (sides: string[], cases: number) => cases > 1 && sides.some(side => /^[xnk]$/.test(side))

function wrongStatements(record: MathRecord): { checked: number; wrong: string[] } {
  const bindings = bindingsOf(record)
  const total = { checked: 0, wrong: [] as string[] }
  for (const chain of chainsOf(record.text)) {
    for (const binding of bindings.length > 0 ? bindings : [{}]) {
      const { checked, wrong } = checkChain(chain, isCase(chain.sides, bindings.length) ? {} : binding)
      total.checked += checked
      total.wrong.push(...wrong)
    }
  }
  return total
}

describe('the checker of equations', () => {
  it('evaluates precedence, implicit products, powers, decimals and mod exactly', () => {
    const cases: [string, string][] = [
      ['2 + 3 * 4', '14'],
      ['-3 - (-5)', '2'],
      ['2(3 + 4)(1 - 3)', '-28'],
      ['2^(1 + 2) * 3', '24'],
      ['1/2 + 1/3', '5/6'],
      ['(2/3) / (-4/5)', '-5/6'],
      ['$4.50 * 3', '27/2'],
      ['3^4 + 1 mod 7', '5'],
    ]
    for (const [expression, value] of cases) {
      const [a, b] = [evaluate(expression), rational(value)]
      expect(a.n * b.d, expression).toBe(b.n * a.d)
    }
    expect(() => evaluate('2 +')).toThrow('cannot read')
    expect(() => evaluate('2 3')).toThrow('cannot read')
  })

  it('finds chains in running text and the false ones among them', () => {
    const chains = chainsOf('So 2 + 2 = 4 = 5 apples, and 7 > 8. Step 1. 3x = 12, since x = 4.\nIt is 5.')
    expect(chains.map(chain => chain.sides)).toEqual([
      ['2 + 2', '4', '5'],
      ['7', '8'],
      ['3x', '12'],
      ['x', '4'],
    ])
    expect(chains.flatMap(chain => checkChain(chain, { x: rational('4') }).wrong)).toEqual(['4 = 5', '7 > 8'])
    expect(checkChain(chains[2]!).checked).toBe(0)
    expect(checkChain(chains[2]!, { x: rational('5') }).wrong).toEqual(['3x = 12'])
  })
})

describe('math shards', () => {
  it('every arithmetic statement of every problem is true', () => {
    const wrong: string[] = []
    let checked = 0
    for (const record of all) {
      const result = wrongStatements(record)
      checked += result.checked
      wrong.push(...result.wrong.map(statement => `${record.meta.id} ${record.meta.template}: ${statement}`))
    }
    expect(wrong).toEqual([])
    // so that a change of the text that hides equations from the checker does not pass unseen
    expect(checked).toBeGreaterThan(4 * all.length)
  })

  it('every template writes equations that the checker reads: every problem has an equation with numbers on both sides', () => {
    const without = all.filter(record => wrongStatements(record).checked === 0).map(record => record.meta.template)
    expect([...new Set(without)]).toEqual([])
  })

  it('the checker notices nine in ten changes of one digit after an equals sign', () => {
    let changes = 0
    let noticed = 0
    for (const record of validation) {
      for (const match of record.text.matchAll(/= \$?\d/g)) {
        const last = match.index + match[0].length - 1
        const digit = (Number(record.text[last]) + 1) % 10
        const text = `${record.text.slice(0, last)}${digit}${record.text.slice(last + 1)}`
        changes++
        if (wrongStatements({ ...record, text }).wrong.length > 0) noticed++
      }
    }
    expect(changes).toBeGreaterThan(1_000)
    expect(noticed / changes).toBeGreaterThan(0.9)
  })

  it('no problem occurs twice, in one split or in both', () => {
    expect(new Set(all.map(problemSignature)).size).toBe(all.length)
    expect(new Set(all.map(record => record.text)).size).toBe(all.length)
    expect(new Set(all.map(record => record.meta.id)).size).toBe(all.length)
  })

  it('both splits use every template and have the size that is said', () => {
    const bytes = (records: MathRecord[]) => records.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0)
    const names = catalog.map(({ topic, name }) => `${topic}.${name}`)
    for (const records of [train, validation])
      expect([...new Set(records.map(({ meta }) => meta.template))].sort()).toEqual([...names].sort())
    expect(bytes(train)).toBeGreaterThan(1_400_000)
    expect(bytes(train)).toBeLessThan(1_500_000)
    expect(bytes(validation)).toBeGreaterThan(95_000)
  })

  it('texts are plain, end with the answer and have no trace of a slip in a template', () => {
    for (const { text, meta } of all) {
      expect(text, meta.id).toMatch(/^[\x20-\x7e\n]+$/)
      expect(text.trimEnd().replace(/\.$/, '').endsWith(meta.answer), text).toBe(true)
      expect(text, meta.id).not.toMatch(/undefined|NaN|Infinity|null|\[object|\+ -|- -|--| {2}|\b1x|\.\./)
    }
  })

  it('the files of the repository are what the generator makes, byte for byte', () => {
    expect(differences(mathShards(), demo)).toEqual([])
  })
})
