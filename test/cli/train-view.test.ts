import { describe, expect, test } from 'vitest'
import { Output } from '../../repl/cli/output.js'
import { printProbes, TrainView } from '../../repl/cli/train-view.js'
import { numbered, probe } from '../forgetting/support.js'
import { Capture } from './harness.js'

const noBand = { deltaLow: null, deltaHigh: null }

function outputTo(stream: Capture, env: Record<string, string> = {}): Output {
  return new Output(
    { stdout: stream, stderr: new Capture(), env, signal: new AbortController().signal },
    { json: false },
  )
}

describe('a change of a probe', () => {
  test('is coloured only where its band leaves out 0', async () => {
    const stream = new Capture(200)
    const view = new TrainView(outputTo(stream, { FORCE_COLOR: '1' }), { quiet: true })
    await view.follow('training', async () => {
      const changes = [
        probe(2, 'up', 0.5),
        probe(2, 'down', -0.5),
        probe(2, 'unsure', 0.05),
        probe(2, 'one', 9, noBand),
      ]
      for (const record of numbered(changes)) view.events.emit('record', record)
    })
    expect(stream.text).toContain('up \u001b[31m+0.500')
    expect(stream.text).toContain('down \u001b[32m-0.500')
    expect(stream.text).toContain('unsure +0.050')
    expect(stream.text).toContain('one +9.000')
  })

  test('without a band is said to have none, in the lines and in the table', () => {
    const stream = new Capture()
    const out = outputTo(stream)
    const view = new TrainView(out, { quiet: true })
    const [record] = numbered([probe(2, 'one', 0.5, noBand)])
    view.events.emit('record', record!)
    expect(stream.text).toMatch(/one .* \+0\.500 nats\/token \(no band\)\n$/)
    const summary = { probe: 'one', bitsPerByteBefore: 1, bitsPerByteAfter: 2, deltaNats: 0.5, ...noBand }
    printProbes(out, { probes: [summary] })
    expect(stream.text).toMatch(/one .*\+0\.500 +no band\n$/)
  })
})
