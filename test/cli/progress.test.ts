import { describe, expect, test } from 'vitest'
import { barText, startProgress, timeLeft } from '../../repl/cli/progress.js'
import { makeStyle } from '../../repl/cli/style.js'
import { Capture } from './harness.js'

const style = makeStyle(false)

describe('progress without a terminal', () => {
  test('a line every two seconds, none for short work, no escapes', () => {
    const lines: string[] = []
    let ms = 0
    const screen = { stream: new Capture(), style, line: (text: string) => void lines.push(text), now: () => ms }
    const progress = startProgress(screen, { label: 'writing', unit: 'bytes' })
    for (ms = 0; ms < 6000; ms += 500) progress.update(ms * 1000, { total: 6e6 })
    progress.stop()
    expect(lines).toEqual(['writing: 2.00 MB of 6.00 MB', 'writing: 4.00 MB of 6.00 MB'])
  })
})

describe('progress on a terminal', () => {
  test('bar, amounts and lines above it; the cursor comes back', () => {
    const stream = new Capture(100)
    const progress = startProgress({ stream, style, line: () => {} }, { label: 'training', total: 4 })
    progress.update(2, { beside: 'loss 3.2', below: 'general +0.1' })
    progress.log('a remark')
    progress.stop()
    expect(stream.text).toContain(`training  ${barText(0.5, 24)}  2 of 4  loss 3.2`)
    expect(stream.text).toContain('general +0.1')
    expect(stream.text).toContain('a remark')
    expect(stream.text.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stream.text.lastIndexOf('\u001b[?25l'))
  })

  test('nothing is drawn before there is something to show', () => {
    const stream = new Capture(100)
    const progress = startProgress({ stream, style, line: text => void stream.write(text) }, { label: 'training' })
    progress.log('reading')
    progress.stop()
    expect(stream.text).toBe('reading')
  })
})

test('barText fills by share and never leaves its width', () => {
  expect(barText(0.5, 4)).toBe('██░░')
  for (const share of [-1, 0, 0.3, 1, 7]) expect(barText(share, 10)).toHaveLength(10)
})

test('timeLeft is proportional to what is done', () => {
  expect(timeLeft(25, 100, 20)).toBe('1 min 00 s left')
  expect(timeLeft(0, 100, 20)).toBe('')
  expect(timeLeft(100, 100, 20)).toBe('')
})
