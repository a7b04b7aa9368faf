import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import '../../src/index.js'
import { opDef, opNames } from '../../src/tensor/graph.js'

/** Ops that are gone when a program is lowered. */
const graphOnly = ['alias', 'remat', 'data', 'input', 'variable']

describe('the contract of engines', () => {
  it('lists every plain op once, and nothing else', () => {
    const source = readFileSync(new URL('../../src/tensor/engine.ts', import.meta.url), 'utf8')
    const rows = source.split('\n').filter(line => line.startsWith(' * | ') && !/^ \* \| (op|---) /.test(line))
    const listed = rows.flatMap(row => row.split('|')[1]!.trim().split(' '))
    const plain = opNames().filter(name => !opDef(name).decompose && !graphOnly.includes(name))
    expect([...listed].sort()).toEqual([...plain].sort())
  })
})
