import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LiveControls } from '../../src/live/controls.js'
import { LiveServer } from '../../src/live/server.js'
import { withPidLock } from '../../src/util/pid-lock.js'
import { temporaryDirectory } from '../support/temporary.js'
import { chromiumPath, drawnX, launchChromium, openPage, untilState } from './browser.js'
import { FakeRun } from './support.js'

const root = temporaryDirectory('controls')

/** What plotly.js has drawn of a figure. */
interface Drawn {
  layout: Record<string, { type?: string; title?: { text: string }; range?: [number, number] }>
  data: { name: string; opacity?: number; y: (number | null)[] }[]
}

describe.skipIf(!chromiumPath)('the controls of the live page', () => {
  let browser: Browser
  let server: LiveServer
  let page: Page
  let run: FakeRun
  let isPaused = false
  const asked: string[] = []
  const troubles: string[] = []

  beforeAll(async () => {
    browser = await launchChromium()
    run = new FakeRun(root, 'a')
    run.train(300)
    new FakeRun(root, 'b').train(300)
    const controls: LiveControls = {
      active: () => ({ dir: run.dir, isPaused }),
      pause: () => {
        asked.push('pause')
        isPaused = true
      },
      resume: () => {
        asked.push('resume')
        isPaused = false
      },
      stop: () => asked.push('stop'),
      gates: () => new Map(),
      gate: () => {},
    }
    server = await LiveServer.start({ runs: [root], controls })
    page = await openPage(browser, server.url, troubles)
  })
  afterAll(async () => {
    await browser?.close()
    await server?.close()
  })

  const drawn = (figure: string): Promise<Drawn> =>
    page.evaluate(`(plot => ({
      layout: Object.fromEntries(['xaxis', 'yaxis'].map(name => [name, { ...plot.layout[name] }])),
      data: plot.data.map(({ name, opacity, y }) => ({ name, opacity, y })),
    }))(document.querySelector('[data-figure="${figure}"] .plot'))`)
  const axis = async (figure: string, name: 'xaxis' | 'yaxis') => (await drawn(figure)).layout[name]!
  const card = (figure: string) => page.locator(`[data-figure="${figure}"]`)

  it('choose what x counts, the unit of losses and the kind of axes', async () => {
    await expect.poll(() => drawnX(page, 'loss').then(x => x.length), { timeout: 60_000 }).toBe(300)
    const title = (figure: string, name: 'xaxis' | 'yaxis') => axis(figure, name).then(found => found.title?.text)
    await page.locator('#x').selectOption('tokens')
    await expect.poll(() => title('loss', 'xaxis')).toBe('training tokens')
    expect((await drawnX(page, 'loss')).at(-1)).toBe(30_000)
    await page.locator('#x').selectOption('seconds')
    await expect.poll(() => title('loss', 'xaxis')).toBe('training time')
    await page.getByLabel('losses in').selectOption('bitsPerByte')
    await expect.poll(() => title('forgetting', 'yaxis')).toContain('bits/byte')
    await page.getByLabel('losses in').selectOption('nats')
    await page.locator('#x').selectOption('step')
    await expect.poll(() => title('loss', 'xaxis')).toBe('optimizer step')
    for (const [label, name] of [
      ['log x', 'xaxis'],
      ['log y', 'yaxis'],
    ] as const) {
      expect((await axis('loss', name)).type).toBe('linear')
      await page.getByLabel(label).check()
      await expect.poll(() => axis('loss', name).then(found => found.type), { message: label }).toBe('log')
      await page.getByLabel(label).uncheck()
      await expect.poll(() => axis('loss', name).then(found => found.type), { message: label }).toBe('linear')
    }
  })

  it('smooth, clip outliers, hide runs and choose what may be forgotten', async () => {
    const names = async () => (await drawn('loss')).data.map(trace => trace.name)
    await page.getByLabel('smoothing').fill('0')
    await expect.poll(names).toEqual(['a', 'b'])
    await page.getByLabel('smoothing').fill('0.5')
    await expect.poll(names).toEqual(['a (raw)', 'b (raw)', 'a', 'b'])
    expect(await card('loss').locator('p').textContent()).toContain('0.5')
    await page.getByLabel('a', { exact: true }).uncheck()
    await expect.poll(names).toEqual(['b (raw)', 'b'])
    await page.getByLabel('a', { exact: true }).check()
    await expect.poll(names).toHaveLength(4)
    run.spike(1000)
    const top = async () => (await axis('loss', 'yaxis')).range![1]
    await expect.poll(top).toBeGreaterThan(900)
    await page.getByLabel('clip outliers').check()
    await expect.poll(top).toBeLessThan(10)
    await page.getByLabel('clip outliers').uncheck()
    await expect.poll(top).toBeGreaterThan(900)
    const forgotten = async () => (await axis('trade-off', 'yaxis')).title!.text
    await card('trade-off').scrollIntoViewIfNeeded()
    await expect.poll(forgotten).toContain('increase on general')
    await page.getByLabel('old domain').selectOption('code')
    await expect.poll(forgotten).toContain('increase on code')
  })

  it('save a figure as PNG, SVG and CSV, as it is shown', async () => {
    await card('loss').scrollIntoViewIfNeeded()
    await page.getByLabel('a', { exact: true }).uncheck()
    await expect.poll(() => drawn('loss').then(({ data }) => data.length)).toBe(2)
    const saved = async (kind: string) => {
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        card('loss').getByRole('button', { name: kind, exact: true }).click(),
      ])
      expect(download.suggestedFilename()).toBe(`loss.${kind.toLowerCase()}`)
      return readFileSync(await download.path())
    }
    expect([...(await saved('PNG')).subarray(1, 4)]).toEqual([...Buffer.from('PNG')])
    const svg = String(await saved('SVG'))
    expect(svg).toMatch(/^<svg .*<\/svg>$/s)
    expect(svg).toContain('weight 0.5')
    const rows = String(await saved('CSV'))
      .trimEnd()
      .split('\r\n')
    expect(rows[0]).toBe('panel,series,x,y,low,high')
    // the raw and the smoothed values of the run that is shown
    expect(rows).toHaveLength(1 + 2 * 300)
    await page.getByLabel('a', { exact: true }).check()
  })

  it('pause, resume and stop the run that the session trains, while it trains', async () => {
    const button = (name: string) => page.getByRole('button', { name, exact: true })
    for (const name of ['pause', 'resume', 'stop']) expect(await button(name).count()).toBe(0)
    await withPidLock(join(run.dir, '.lock'), async () => {
      await button('pause').click()
      await button('resume').waitFor()
      expect(await page.locator('#runs tr', { hasText: 'paused' }).count()).toBe(1)
      expect(await button('pause').count()).toBe(0)
      await button('resume').click()
      await button('stop').click()
      await expect.poll(() => asked).toEqual(['pause', 'resume', 'stop'])
      const watcher = await openPage(browser, server.readUrl, troubles)
      await untilState(watcher, state => state.runs?.some(row => row.status === 'training') ?? false)
      expect(await watcher.getByRole('button', { name: 'stop', exact: true }).count()).toBe(0)
      await watcher.close()
    })
    await expect.poll(() => button('stop').count(), { timeout: 10_000 }).toBe(0)
    expect(troubles).toEqual([])
  })
})
