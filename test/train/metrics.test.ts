import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type MetricInput, MetricsWriter, readMetrics } from '../../src/train/metrics.js'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'metrics-'))
  path = join(folder, 'metrics.jsonl')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function train(step: number, lossNats = 3): MetricInput {
  const head = { step, tokens: step * 512, seconds: step / 2 }
  return {
    kind: 'train',
    ...head,
    lossNats,
    lr: 1e-3,
    gradNorm: 1,
    tokensPerSec: 1024,
    rssBytes: 5e8,
    mix: { code: 9 },
  }
}

function event(step: number, name: string, detail: Record<string, unknown> = {}): MetricInput {
  return { kind: 'event', step, tokens: step * 512, seconds: step / 2, name, detail }
}

function writeSteps(to: number): void {
  const writer = MetricsWriter.create(path)
  for (let step = 1; step <= to; step++) writer.write(train(step))
  writer.close()
}

describe('MetricsWriter', () => {
  it('numbers the records and gives back what was written, through hostile names and non-finite numbers', () => {
    const writer = MetricsWriter.create(path)
    const written = [
      writer.write(event(0, 'start', { note: 'line\nbreak \u2028 \u0000 "quote" 語' })),
      writer.write(train(1, Number.NaN)),
      writer.write(train(2, Number.POSITIVE_INFINITY)),
      writer.write({ ...train(3), mix: { 'a\nb': Number.NEGATIVE_INFINITY } } as MetricInput),
    ]
    expect(written.map(r => r.seq)).toEqual([0, 1, 2, 3])
    expect(readMetrics(path)).toEqual(written)
    writer.close()
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(5)
  })

  it('has each record on disk before write returns', () => {
    const writer = MetricsWriter.create(path)
    for (let step = 1; step <= 3; step++) {
      writer.write(train(step))
      expect(readMetrics(path)).toHaveLength(step)
    }
    writer.close()
  })

  it('refuses to overwrite a run, to go back in steps, and to write after close', () => {
    writeSteps(2)
    expect(() => MetricsWriter.create(path)).toThrow(/already holds a run/)
    const writer = MetricsWriter.resumeAt(path, 2)
    expect(() => writer.write(train(1))).toThrow(/step of 2 or more, got 1/)
    writer.close()
    writer.close()
    expect(() => writer.write(train(3))).toThrow(/internal:/)
  })

  it('resumes at the checkpointed step: later records go, seq continues, twice in a row', () => {
    writeSteps(10)
    appendFileSync(path, '{"kind":"train","seq":10,"st')
    let writer = MetricsWriter.resumeAt(path, 6)
    expect(writer.last?.step).toBe(6)
    expect(writer.write(train(7, 1)).seq).toBe(6)
    writer.close()
    writer = MetricsWriter.resumeAt(path, 7)
    expect(writer.write(event(7, 'resumed')).seq).toBe(7)
    writer.close()
    const records = readMetrics(path)
    expect(records.map(r => [r.seq, r.step])).toEqual([1, 2, 3, 4, 5, 6, 7, 7].map((step, seq) => [seq, step]))
    expect(records[6]).toMatchObject({ lossNats: 1 })
  })

  it('resumes from nothing kept, and says when there is no file', () => {
    writeSteps(3)
    const writer = MetricsWriter.resumeAt(path, 0)
    expect(writer.last).toBeNull()
    expect(writer.write(event(0, 'again')).seq).toBe(0)
    writer.close()
    expect(readMetrics(path)).toHaveLength(1)
    expect(() => MetricsWriter.resumeAt(join(folder, 'none.jsonl'), 4)).toThrow(/Cannot resume at step 4/)
  })

  it('survives a cut at any byte: a prefix of the records is read and the run goes on from it', () => {
    writeSteps(5)
    const whole = readMetrics(path)
    const bytes = readFileSync(path)
    fc.assert(
      fc.property(fc.integer({ min: 0, max: bytes.length }), size => {
        writeFileSync(path, bytes)
        truncateSync(path, size)
        const kept = readMetrics(path)
        expect(kept).toEqual(whole.slice(0, kept.length))
        const writer = MetricsWriter.resumeAt(path, 99)
        writer.write(train(99))
        writer.close()
        expect(readMetrics(path).map(r => r.seq)).toEqual(Array.from({ length: kept.length + 1 }, (_, i) => i))
      }),
      { numRuns: 60 },
    )
  })
})

describe('readMetrics', () => {
  it('names the line and the field that is wrong', () => {
    writeSteps(3)
    const lines = readFileSync(path, 'utf8').split('\n')
    const withSecond = (line: string) => writeFileSync(path, [lines[0], line, lines[2], ''].join('\n'))
    withSecond('{"kind":"train",')
    expect(() => readMetrics(path)).toThrow(/line 2: expected one JSON object/)
    withSecond(lines[1]!.replace('"train"', '"trian"'))
    expect(() => readMetrics(path)).toThrow(/line 2: .*"trian".*Did you mean "train"/)
    withSecond(lines[1]!.replace('"lossNats":3', '"lossNats":null'))
    expect(() => readMetrics(path)).toThrow(/line 2: train record: expected lossNats of type number, found null/)
    withSecond(lines[2]!)
    expect(() => readMetrics(path)).toThrow(/line 2: expected seq 1, found 2/)
    expect(() => readMetrics(join(folder, 'none'))).toThrow(/No metrics at/)
  })
})
