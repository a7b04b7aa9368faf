import { cleanup, render } from 'ink-testing-library'
import { createElement } from 'react'
import { afterEach, describe, expect, it } from 'vitest'
import { emptyBuffer } from '../../repl/editor/buffer.js'
import { textWidth } from '../../repl/editor/width.js'
import { App } from '../../repl/ui/app.js'
import { createInkRenderer } from '../../repl/ui/ink-renderer.js'
import { makeLook } from '../../repl/ui/look.js'
import { sparkline } from '../../repl/ui/sparkline.js'
import { frameOf, type View } from '../../repl/ui/view.js'
import { formatBytes, formatCount, formatDuration, type MetricRecord } from '../../src/index.js'

const formats = { count: formatCount, bytes: formatBytes, duration: formatDuration }
const head = { seq: 0, tokens: 0, seconds: 1 }

/** Records of a run of `steps` steps with three probes. */
function records(steps: number): MetricRecord[] {
  const probe = (name: string, step: number, delta: number): MetricRecord => ({
    ...head,
    kind: 'probe',
    step,
    probe: name,
    lossNats: 3 + delta,
    bitsPerByte: 1,
    deltaNats: delta,
    deltaLow: delta - 0.01,
    deltaHigh: delta + 0.01,
    klToBaseNats: null,
    unshifted: null,
    marginal: null,
    shifted: null,
    tokensScored: 1,
    bytesScored: 1,
  })
  return Array.from({ length: steps }, (_, i) => i + 1).flatMap((step): MetricRecord[] => [
    {
      ...head,
      kind: 'train',
      step,
      lossNats: 5 - step / 10,
      lr: 1,
      gradNorm: 1,
      tokensPerSec: 2310,
      rssBytes: 8e8,
      mix: {},
    },
    ...(step % 5 === 0 ? [probe('general', step, 0.05), probe('code', step, -step / 20), probe('math', step, 0)] : []),
  ])
}

const base: View = {
  columns: 80,
  rows: 24,
  look: makeLook({ color: false }),
  formats,
  prompt: { text: '', cursor: 0, label: 'In [1]: ', suggestion: '', spans: [] },
  menu: null,
  about: '',
  search: null,
  run: null,
  phase: '',
  unfinished: '',
  running: null,
  session: 'demo  9 blocks, 3 new  cpu',
  hint: '',
  steps: null,
}

const run: View['run'] = {
  name: 'expansion',
  status: 'training',
  step: 20,
  steps: 40,
  etaSeconds: 65,
  records: records(20),
}
const menu: View['menu'] = {
  candidates: Array.from({ length: 30 }, (_, i) => ({ text: `name${i}`, kind: 'method', detail: 'x'.repeat(100) })),
  start: 0,
  end: 0,
  chosen: 12,
  original: emptyBuffer,
}
const long = Array.from({ length: 60 }, (_, i) => `const variable${i} = ${'1 + '.repeat(40)}1`).join('\n')

afterEach(cleanup)

const frameFor = (view: View) => render(createElement(App, { lines: frameOf(view).lines }))

describe('the screen', () => {
  it('shows prompt and status', () => {
    const { lastFrame } = frameFor({ ...base, prompt: { ...base.prompt, text: 'let x = 1\nx', cursor: 11 } })
    expect(
      lastFrame()!
        .split('\n')
        .map(line => line.trimEnd()),
    ).toEqual([
      'In [1]: let x = 1',
      '   ...: x',
      `demo  9 blocks, 3 new  cpu${' '.repeat(19)}Tab complete  Ctrl-R search  :help`,
    ])
  })

  it('shows how far it is, and the documentation of the chosen candidate', () => {
    const running = { text: ':load hf://a/b', seconds: 3, waiting: 0, progress: 'downloading hf://a/b 45 %' }
    expect(frameOf({ ...base, running }).lines.at(-1)).toMatch(/^downloading hf:\/\/a\/b 45 % {2}3 s {3}Ctrl-C/)
    const candidates = [{ text: 'a', kind: 'method', detail: '', about: 'what a does' }, ...menu!.candidates]
    const shown = (chosen: number) => frameOf({ ...base, menu: { ...menu!, candidates, chosen } }).lines.join('\n')
    expect(shown(0)).toContain('what a does')
    expect(shown(1)).not.toContain('what a does')
  })

  it('shows a run: step, loss, speed, time left, memory, and a curve of every probe with its change', () => {
    const { lastFrame } = frameFor({ ...base, columns: 100, rows: 40, run })
    const frame = lastFrame()!
    expect(frame).toMatch(
      /● training expansion +█{6}░{6} 20\/40 {2}loss 3\.000 {2}2,310 tokens\/s {2}1 min 05 s left {2}800 MB/,
    )
    expect(frame).toMatch(/general +3\.050 +\+0\.050 +\S*[\u2801-\u28ff]/)
    expect(frame).toMatch(/code +2\.000 +-1\.000 +\S*[\u2801-\u28ff]/)
  })

  it('shows a run of 200,000 records, and reads each of them once', () => {
    const growing: MetricRecord[] = []
    let read = 0
    const records = new Proxy(growing, {
      get(target, key) {
        if (typeof key === 'string' && /^\d+$/.test(key)) read++
        return Reflect.get(target, key)
      },
    })
    const long = { ...run!, steps: 200_000, records }
    const loss = (step: number) => ({
      ...(run!.records[0] as MetricRecord & { kind: 'train' }),
      step,
      lossNats: 5 - step / 1e5,
    })
    for (let step = 1; step <= 200_000; step++) growing.push(loss(step))
    expect(frameOf({ ...base, run: long }).lines.join('\n')).toMatch(/loss +3\.000/)
    expect(read).toBe(200_000)
    growing.push(loss(100))
    expect(frameOf({ ...base, run: long }).lines.join('\n')).toMatch(/loss +4\.999/)
    expect(read).toBe(200_001)
  })

  it.each([
    [80, 24],
    [100, 40],
    [40, 12],
    [20, 6],
    [30, 4],
  ])('is lower than a terminal of %i x %i and no wider, whatever it shows', (columns, rows) => {
    const text = long
    const prompts = [
      base.prompt,
      { ...base.prompt, text, cursor: 3000 },
      { ...base.prompt, text, cursor: text.length, suggestion: 'abc'.repeat(50) },
    ]
    for (const prompt of prompts)
      for (const steps of [
        null,
        {
          index: 1,
          count: 9,
          title: 't'.repeat(90),
          isMore: true,
          lines: Array.from({ length: 80 }, () => 'y'.repeat(200)),
        },
      ])
        for (const colored of [true, false]) {
          const about = 'signature '.repeat(30)
          const look = makeLook({ color: colored })
          const view = { ...base, columns, rows, prompt, steps, run, menu, about, look, unfinished: 'z'.repeat(300) }
          const { lines, cursor } = frameOf(view)
          expect(lines.length).toBeLessThan(rows)
          for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(columns)
          if (cursor) {
            expect(cursor.y).toBeLessThan(lines.length)
            expect(cursor.x).toBeLessThan(columns)
          }
        }
  })

  it('is laid out by Ink exactly as the first frame, which is drawn before Ink is there', () => {
    const views = [
      base,
      { ...base, run, columns: 100, rows: 40 },
      { ...base, menu, about: 'f(x: number)', hint: 'said' },
      { ...base, menu, about: 'f(x: number)', hint: 'said', columns: 40 },
      { ...base, prompt: { ...base.prompt, text: 'a\n\n\na\n\nb', cursor: 0 } },
    ]
    const renderer = createInkRenderer()
    for (const view of [...views, ...views, ...views.reverse()]) {
      const { lines } = frameOf(view)
      expect(renderer.lines(lines, view).map(line => line.trimEnd())).toEqual(lines.map(line => line.trimEnd()))
    }
    renderer.close()
  })

  it('marks a suggestion even without colours', () => {
    const { lines } = frameOf({ ...base, prompt: { ...base.prompt, suggestion: ':demo' } })
    expect(lines[0]).toBe('In [1]: \u001b[2m:demo\u001b[22m')
  })
})

describe('sparkline', () => {
  it('rises to the right and keeps the zero line', () => {
    const points = [
      { x: 0, y: 0 },
      { x: 10, y: 10 },
    ]
    expect(sparkline(points, { width: 2, height: 1, from: 0, to: 10 })).toEqual(['⡠⠊'])
    expect(sparkline([{ x: 0, y: -1 }], { width: 4, height: 1, from: 0, to: 1, zero: 0 })[0]).toBe('⡁ ⠁ ')
  })
  it('draws nothing of values that are no numbers', () => {
    expect(sparkline([{ x: 0, y: Number.NaN }], { width: 3, height: 2, from: 0, to: 1 })).toEqual(['   ', '   '])
  })
})
