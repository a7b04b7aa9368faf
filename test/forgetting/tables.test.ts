import { op } from 'arquero'
import { describe, expect, it } from 'vitest'
import * as tables from '../../src/forgetting/tables.js'
import { contribution, event, numbered, probe, train } from './support.js'

const records = numbered([
  probe(0, 'general', 0),
  probe(0, 'code', 0),
  train(1, 3, { python: 10 }),
  event(1, 'resumed'),
  train(2, 2, { python: 20, math: 5 }),
  probe(2, 'general', 0.2, { klToBaseNats: 0.05 }),
  probe(2, 'code', -0.4),
  contribution(2, 4, 0.3),
])

describe('tables', () => {
  it('have a row per record of their kind', () => {
    const sizes = [tables.trainTable, tables.probeTable, tables.contributionTable, tables.eventTable].map(f =>
      f(records).numRows(),
    )
    expect(sizes).toEqual([2, 4, 1, 1])
    expect(tables.eventTable(records).get('detail', 0)).toBe('{"at":1}')
  })

  it('spread the mix over columns, null before a source was served', () => {
    const table = tables.trainTable(records)
    expect(table.array('mix:python')).toEqual([10, 20])
    expect(table.array('mix:math')).toEqual([null, 5])
  })

  it('can be queried with arquero', () => {
    const worst = tables
      .probeTable(records)
      .groupby('probe')
      .rollup({ worst: op.max('deltaNats') })
      .objects()
    expect(worst).toEqual([
      { probe: 'general', worst: 0.2 },
      { probe: 'code', worst: 0 },
    ])
    expect(
      tables
        .forgettingTable(records)
        .filter((d: { probe: string }) => d.probe === 'code')
        .array('deltaNats'),
    ).toEqual([0, -0.4])
  })

  it('turn nats per token into bits per byte', () => {
    const row = tables.forgettingTable(records).object(2) as Record<string, number>
    expect(row['deltaBitsPerByte']).toBeCloseTo((0.2 * 100) / (400 * Math.LN2), 12)
  })

  it('summarise first and last evaluation of each probe and run', () => {
    const rows = tables
      .summaryTable([
        { name: 'a', records },
        { name: 'b', records: records.slice(0, 2) },
      ])
      .objects()
    expect(rows).toHaveLength(4)
    expect(rows[1]).toMatchObject({
      run: 'a',
      probe: 'code',
      firstStep: 0,
      lastStep: 2,
      firstNats: 3,
      lastNats: 2.6,
      deltaNats: -0.4,
    })
    expect(rows[3]).toMatchObject({ run: 'b', probe: 'code', lastStep: 0, deltaNats: 0 })
  })

  it('give the summary as cells with signs', () => {
    const { header, rows } = tables.summaryCells([{ name: 'a', records }])
    expect(rows.map(row => row.length)).toEqual([header.length, header.length])
    expect(rows[1]).toEqual(['a', 'code', '2', '1.0820', '0.9378', '-0.4000', '-0.5000', '-0.3000'])
  })

  it('keep their columns without rows', () => {
    expect(tables.trainTable([]).columnNames()).toContain('lossNats')
    expect(tables.forgettingTable([]).columnNames()).toContain('deltaHigh')
    expect(tables.summaryTable([]).columnNames()).toContain('lastBitsPerByte')
    expect(tables.summaryTable([]).numRows()).toBe(0)
  })
})
