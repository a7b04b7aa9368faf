import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { LiveServer } from '../../src/live/server.js'
import { temporaryDirectory } from '../support/temporary.js'
import { chromiumPath, drawnX, launchChromium, openPage, type PageState, stateOf, untilState } from './browser.js'
import { FakeRun } from './support.js'

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!

describe('eight runs of 100,000 steps', () => {
  const dir = temporaryDirectory('fluid')
  let runs: FakeRun[]
  beforeAll(() => {
    runs = Array.from({ length: 8 }, (_, i) => new FakeRun(join(dir, 'runs'), `run-${i}`, { probeEverySteps: 1000 }))
    for (const run of runs) run.train(100_000)
  })

  it('hold the thread of the session up for a moment only, clipped or not', async () => {
    const child = fileURLToPath(new URL('./draw-child.ts', import.meta.url))
    const views = ['{}', '{"clipOutliers":true}', '{"smoothing":0}']
    const args = ['--import', 'tsx', child, join(dir, 'runs'), ...views]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    const medians = JSON.parse(stdout) as number[]
    expect(medians).toHaveLength(views.length)
    for (const [i, ms] of medians.entries()) {
      console.log(`8 runs x 100,000 points, view ${views[i]}: the loss drawn by the server in ${ms} ms`)
      expect(ms).toBeGreaterThan(0)
      // 60 to 110 ms by processor; what grew with the square of the points would take minutes
      expect(ms).toBeLessThan(500)
    }
    rmSync(join(dir, 'runs', 'growing'), { recursive: true })
  })

  it.skipIf(!chromiumPath)('are redrawn by the page in less than 100 ms', async () => {
    const browser = await launchChromium()
    const server = await LiveServer.start({ runs: [join(dir, 'runs')] })
    const page = await openPage(browser, server.readUrl)
    await untilState(page, state => state.redraws.some(redraw => redraw.figure === 'loss'), 120_000)
    await expect.poll(() => drawnX(page, 'loss').then(x => x.length), { timeout: 60_000 }).toBeGreaterThan(900)
    const drawn = (state: PageState) =>
      state.redraws.filter(redraw => redraw.figure === 'loss').map(redraw => redraw.ms)
    // the first redraws compile the code of plotly.js
    const before = drawn(await stateOf(page)).length + 3
    const growing = setInterval(() => {
      for (const run of runs) run.train(1)
    }, 100)
    const state = await untilState(page, now => drawn(now).length >= before + 15, 120_000)
    clearInterval(growing)
    const redrawMs = median(drawn(state).slice(before))
    console.log(`8 runs x 100,000 points: redraw of the loss in ${redrawMs.toFixed(0)} ms`)
    expect(redrawMs).toBeLessThan(100)
    await browser.close()
    await server.close()
  })
})
