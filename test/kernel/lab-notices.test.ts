import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Display } from '../../kernel/evaluator/display.js'
import { showNotices } from '../../kernel/lab-notices.js'
import { Emitter, formatBytes, formatCount, type LabEvents } from '../../src/index.js'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** The session's events, and what cells show: every change of every line, by the number of the line. */
function started() {
  const events = new Emitter<LabEvents>()
  const shown: string[] = []
  let lines = 0
  const text = (bundle: unknown) => (bundle as Record<string, string>)['text/plain']
  const display = (bundle: unknown) => {
    const line = ++lines
    shown.push(`${line} ${text(bundle)}`)
    return { id: String(line), update: (next: unknown) => shown.push(`${line} ${text(next)}`) }
  }
  const cell = { signal: new AbortController().signal }
  const library = { formatBytes, formatCount }
  showNotices({ events }, { library, display: display as unknown as Display, signal: () => cell.signal })
  const told = (done: number, total = 100) =>
    events.emit('progress', { label: 'measuring', done, total, unit: 'count' })
  return { events, shown, cell, told }
}

test('long work has one line that changes at most twice a second and ends with the whole', () => {
  const { shown, told } = started()
  for (let done = 0; done <= 100; done++) {
    told(done)
    vi.advanceTimersByTime(20)
  }
  expect(shown).toHaveLength(5)
  expect(shown[0]).toMatch(/^1 measuring: 2\d of 100 \(2\d %\)$/)
  expect(shown.at(-1)).toBe('1 measuring: 100 of 100 (100 %)')
  told(0)
  vi.advanceTimersByTime(1000)
  expect(shown.at(-1)).toBe('2 measuring: 0 of 100 (0 %)')
})

test('work that is done at once is not shown', () => {
  const { shown, told } = started()
  told(50)
  told(100)
  vi.advanceTimersByTime(5000)
  expect(shown).toEqual([])
})

test('work that failed leaves its line alone: the next cell has one of its own', () => {
  const { shown, told, cell } = started()
  told(40)
  vi.advanceTimersByTime(600)
  cell.signal = new AbortController().signal
  told(60)
  vi.advanceTimersByTime(600)
  expect(shown).toEqual(['1 measuring: 40 of 100 (40 %)', '2 measuring: 60 of 100 (60 %)'])
})

test('bytes are told as such, also while nobody knows how many there will be', () => {
  const { shown, events } = started()
  events.emit('progress', { label: 'downloading m', done: 1_500_000, total: 0, unit: 'bytes' })
  vi.advanceTimersByTime(600)
  events.emit('progress', { label: 'downloading m', done: 1_500_000, total: 6_000_000, unit: 'bytes' })
  vi.advanceTimersByTime(600)
  expect(shown).toEqual(['1 downloading m: 1.50 MB', '1 downloading m: 1.50 MB of 6.00 MB (25 %)'])
})
