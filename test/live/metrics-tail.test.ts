import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MetricsTail } from '../../src/live/metrics-tail.js'
import { MetricsWriter } from '../../src/train/metrics.js'
import { train } from '../forgetting/support.js'
import { temporaryDirectory } from '../support/temporary.js'
import { FakeRun } from './support.js'

const dir = temporaryDirectory('tail')
const numbers = (records: { seq: number }[]) => records.map(record => record.seq)
const count = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe('a tail of metrics', () => {
  it('reads each record once while they are appended, and never a torn line', async () => {
    const bytes = Buffer.from(
      count(0, 30)
        .map(seq => `${JSON.stringify({ ...train(seq, 2, { größe: seq }), seq })}\n`)
        .join(''),
    )
    let n = 0
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 40 }), async sizes => {
        const path = join(dir, `torn-${n++}.jsonl`)
        const tail = new MetricsTail(path)
        const seen: number[] = []
        let at = 0
        writeFileSync(path, '')
        for (const size of [...sizes, bytes.length]) {
          appendFileSync(path, bytes.subarray(at, (at += size)))
          const step = await tail.step()
          expect(step.reset).toBe(false)
          seen.push(...numbers(step.records))
          expect(seen).toEqual(count(0, readFileSync(path, 'utf8').split('\n').length - 1))
        }
        expect(tail.next).toBe(30)
      }),
      { numRuns: 25 },
    )
  })

  it('begins again when a resume has cut the file, even when it has since grown past the old end', async () => {
    const run = new FakeRun(dir, 'cut')
    const tail = new MetricsTail(run.writer.path)
    run.train(20)
    const before = numbers((await tail.step()).records)
    const held = { next: tail.next, mark: tail.markBefore(tail.next) }
    run.cutBackTo(10)
    run.train(200)
    const step = await tail.step()
    expect(step.reset).toBe(true)
    expect(numbers(step.records)).toEqual(count(0, run.writer.last!.seq + 1))
    expect(before.length).toBeLessThan(step.records.length)
    expect(tail.isPrefix(held)).toBe(false)
    expect(tail.isPrefix({ next: 3, mark: tail.markBefore(3) })).toBe(true)
    expect(tail.isPrefix({ next: 1e6, mark: 0 })).toBe(false)
    expect(await tail.step()).toEqual({ reset: false, records: [], more: false })
  })

  it('gives lines back as they stand in the file, and none when the file has changed since', async () => {
    const run = new FakeRun(dir, 'lines')
    run.train(30)
    const tail = new MetricsTail(run.writer.path)
    await tail.step()
    const all = readFileSync(run.writer.path, 'utf8').trimEnd().split('\n')
    expect(await tail.lines(5)).toEqual(all.slice(5))
    expect(await tail.lines(5, { maxBytes: 10 })).toEqual([all[5]])
    expect(await tail.lines(all.length)).toEqual([])
    run.cutBackTo(10)
    run.train(300)
    expect(await tail.lines(5)).toBeNull()
  })

  it('waits for a file that is not there, and forgets one that is gone', async () => {
    const path = join(dir, 'later.jsonl')
    const tail = new MetricsTail(path)
    expect(await tail.step()).toEqual({ reset: false, records: [], more: false })
    MetricsWriter.create(path).write(train(1, 2))
    expect((await tail.step()).records).toHaveLength(1)
    rmSync(path)
    expect(await tail.step()).toEqual({ reset: true, records: [], more: false })
    expect(tail.next).toBe(0)
  })

  it('names the line that is no record or not in its place', async () => {
    const path = join(dir, 'bad.jsonl')
    writeFileSync(path, `${JSON.stringify({ ...train(1, 2), seq: 1 })}\n`)
    await expect(new MetricsTail(path).step()).rejects.toMatchObject({ code: 'METRICS_SEQ' })
    writeFileSync(path, 'no json\n')
    await expect(new MetricsTail(path).step()).rejects.toMatchObject({ code: 'METRICS_LINE' })
  })

  it('gives the records before a bad line first, and those after it when it is mended', async () => {
    const path = join(dir, 'before.jsonl')
    const lines = Array.from({ length: 9 }, (_, seq) => `${JSON.stringify({ ...train(seq, 2), seq })}\n`)
    const text = (fifth: string) => [...lines.slice(0, 5), fifth, ...lines.slice(6)].join('')
    writeFileSync(path, text('no json\n'))
    const tail = new MetricsTail(path)
    const first = await tail.step()
    expect([first.records.length, first.more]).toEqual([5, true])
    for (let i = 0; i < 2; i++) await expect(tail.step()).rejects.toThrow(/line 6: expected one JSON object/)
    writeFileSync(path, text(lines[5]!))
    expect((await tail.step()).records.map(({ seq }) => seq)).toEqual([5, 6, 7, 8])
  })

  it('reads a long file in parts', async () => {
    const run = new FakeRun(dir, 'long')
    run.train(9000)
    const tail = new MetricsTail(run.writer.path)
    const first = await tail.step()
    expect(first.more).toBe(true)
    let records = first.records.length
    for (let more = true; more; ) {
      const step = await tail.step()
      expect(step.records[0]?.seq).toBe(records)
      records += step.records.length
      more = step.more
    }
    expect(records).toBe(run.writer.last!.seq + 1)
  })
})
