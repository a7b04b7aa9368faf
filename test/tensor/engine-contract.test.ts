import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import '../../src/index.js'
import { opDef, opNames } from '../../src/tensor/graph.js'

/** Ops that are gone when a program is lowered. */
const graphOnly = ['alias', 'remat', 'data', 'input', 'variable']

/** The ops of each table of the contract: the plain ones, then the composites. */
function listed(): string[][] {
  const source = readFileSync(new URL('../../src/tensor/engine.ts', import.meta.url), 'utf8')
  const tables = source.split(' * | op |').slice(1)
  return tables.map(table => {
    const rows = table.split('\n').filter(line => line.startsWith(' * | ') && !line.startsWith(' * | ---'))
    return rows.flatMap(row => row.split('|')[1]!.trim().split(' ')).sort()
  })
}

describe('the contract of engines', () => {
  it('lists every plain op once and every composite op once, and nothing else', () => {
    const isComposite = (name: string) => opDef(name).decompose !== undefined
    const names = opNames().filter(name => !graphOnly.includes(name))
    const [plain, composite] = [names.filter(name => !isComposite(name)), names.filter(isComposite)]
    expect(listed()).toEqual([plain.sort(), composite.sort()])
  })
})
