import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { CellText } from '../../kernel/protocol/cell-text.js'
import { headerMaker } from '../../kernel/protocol/header.js'
import { StreamBatch } from '../../kernel/protocol/stream-batch.js'
import { createTextRing, type TextChunk, TextRingReader, TextRingWriter } from '../../kernel/protocol/text-ring.js'

const makeHeader = headerMaker()
const [first, second] = [makeHeader('execute_request'), makeHeader('execute_request')]
const chunks = (unit: 'grapheme' | 'binary', maxLength: number) =>
  fc.record({
    parent: fc.constantFrom(first, second, null),
    name: fc.constantFrom('stdout' as const, 'stderr' as const),
    text: fc.string({ unit, maxLength }),
  })
/** Chunks without their borders: every character with its source. */
const flat = (list: TextChunk[]) =>
  list.flatMap(({ parent, name, text }) => [...text].map(char => `${parent?.msg_id}${name}${char}`))

describe('the ring of text between the threads', () => {
  test('any writes, barriers and readings keep every character, its source and the order', () => {
    const ring = createTextRing()
    const writer = new TextRingWriter(ring, () => {})
    const reader = new TextRingReader(ring)
    const step = fc.oneof(
      chunks('grapheme', 300),
      fc.constant('barrier' as const),
      fc.constant('read' as const),
      chunks('grapheme', 3).map(chunk => ({ ...chunk, text: chunk.text.repeat(3000) })),
    )
    const check = fc.property(fc.array(step, { maxLength: 12 }), steps => {
      const [written, got]: TextChunk[][] = [[], []]
      const take = (chunk: TextChunk) => void got!.push(chunk)
      const waiting: number[] = []
      for (const one of steps) {
        if (one === 'read') reader.drain(take)
        else if (one === 'barrier') {
          writer.barrier()
          waiting.push(flat(written!).length)
        } else {
          expect(writer.write(one, one.text)).toBe(true)
          written!.push(one)
        }
      }
      reader.drain(take)
      for (const before of waiting) {
        // nothing that was written after a message may come before it
        expect(flat(got!).length).toBeLessThanOrEqual(before)
        reader.pass(take)
        expect(flat(got!).length).toBe(before)
        reader.drain(take)
      }
      expect(flat(got!)).toEqual(flat(written!))
    })
    fc.assert(check, { numRuns: 80 })
  })

  test('the reader is woken once until it has read', () => {
    const wake = vi.fn()
    const ring = createTextRing()
    const writer = new TextRingWriter(ring, wake)
    const reader = new TextRingReader(ring)
    for (let n = 0; n < 3; n++) writer.write({ parent: null, name: 'stdout' }, 'x')
    expect(wake).toHaveBeenCalledTimes(1)
    reader.drain(() => {})
    writer.write({ parent: null, name: 'stdout' }, 'x')
    expect(wake).toHaveBeenCalledTimes(2)
  })

  test('a full ring makes the writer wait for the reader, and lets it go when the reader is gone', async () => {
    const ring = createTextRing()
    const writer = new TextRingWriter(ring, () => {})
    const text = 'x'.repeat(900_000)
    expect(writer.write({ parent: null, name: 'stdout' }, text)).toBe(true)
    const source = `
      const { workerData } = require('node:worker_threads')
      const slots = new Int32Array(workerData)
      setTimeout(() => { Atomics.store(slots, 3, 1); Atomics.notify(slots, 1) }, 100)`
    const closer = new Worker(source, { eval: true, workerData: ring, execArgv: [] })
    const start = performance.now()
    expect(writer.write({ parent: null, name: 'stdout' }, text)).toBe(false)
    expect(performance.now() - start).toBeLessThan(5000)
    await closer.terminate()
  })
})

describe('what one cell prints', () => {
  const record = (maxChars: number) => {
    const written: string[] = []
    const ring = { write: ({ name }: { name: string }, text: string) => written.push(`${name}:${text}`) > 0 }
    return { written, text: new CellText(first, ring, maxChars) }
  }

  test('is cut at its limit, which the cell says at once and with the amount at its end', () => {
    const { written, text } = record(10)
    text.write('stdout', '12345678')
    text.write('stderr', '90abc')
    for (let n = 0; n < 3; n++) text.write('stdout', '....')
    expect(written).toEqual([
      'stdout:12345678',
      'stderr:90',
      'stderr:\n[output cut here: a cell shows at most 10 characters]\n',
    ])
    text.end()
    text.end()
    expect(written.slice(3)).toEqual(['stderr:\n[15 characters of output were cut]\n'])
  })

  test('below the limit it is all there and nothing else', () => {
    const { written, text } = record(10)
    text.write('stdout', '1234567890')
    text.end()
    expect(written).toEqual(['stdout:1234567890'])
  })
})

describe('streams in batches', () => {
  function batch() {
    const sent: TextChunk[] = []
    const send = (chunk: TextChunk) => void sent.push(chunk)
    return { sent, stream: new StreamBatch({ windowMs: 20, maxChars: 1000, send }) }
  }

  test('any sequence of writes arrives whole and in order', () => {
    fc.assert(
      fc.property(fc.array(chunks('binary', 400)), list => {
        const { sent, stream } = batch()
        for (const each of list) stream.write(each)
        stream.flush()
        expect(flat(sent)).toEqual(flat(list))
      }),
    )
  })

  test('what comes in a window is joined and sent by itself, much text does not wait', () => {
    vi.useFakeTimers()
    const { sent, stream } = batch()
    for (let n = 0; n < 100; n++) stream.write({ parent: first, name: 'stdout', text: 'x' })
    vi.advanceTimersByTime(20)
    expect(sent.map(({ text }) => text.length)).toEqual([100])
    for (let n = 0; n < 2; n++) stream.write({ parent: { ...first }, name: 'stdout', text: 'x'.repeat(600) })
    expect(sent.map(({ text }) => text.length)).toEqual([100, 1200])
    vi.useRealTimers()
  })
})
