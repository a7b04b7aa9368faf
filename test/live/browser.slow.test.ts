import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runFigure } from '../../src/forgetting/figures.js'
import { readRunRecords } from '../../src/forgetting/read-run.js'
import { runRecipe } from '../../src/lab/run-recipe.js'
import { lessonSvg } from '../../src/lessons/lesson-svg.js'
import { randomTokens } from '../../src/live/access.js'
import type { LiveControls } from '../../src/live/controls.js'
import { coveredBundle, liveBundle, liveFrame, liveOutput } from '../../src/live/notebook.js'
import { LiveServer } from '../../src/live/server.js'
import { loadRecipe } from '../../src/train/recipe.js'
import { LabError } from '../../src/util/errors.js'
import { writeTinyWorld } from '../cli/tiny-run.js'
import { temporaryDirectory } from '../support/temporary.js'
import { chromiumPath, drawnX, launchChromium, openPage, type PageState, stateOf, untilState } from './browser.js'
import { FakeRun } from './support.js'

const root = temporaryDirectory('browser')

/** Every record of a run has come exactly once: as many as there are numbers between the first and the last. */
function expectComplete({ received }: PageState, run: FakeRun): void {
  const mine = received['a']!
  expect(mine.first + mine.count).toBe(run.writer.last!.seq + 1)
  const first = mine.steps[0]!
  expect(mine.steps).toEqual(mine.steps.map((_, i) => first + i))
  expect(mine.steps.at(-1)).toBe(run.step)
}

describe.skipIf(!chromiumPath)('the live page in Chromium', () => {
  let browser: Browser
  const servers: LiveServer[] = []
  beforeAll(async () => {
    browser = await launchChromium()
  })
  afterAll(async () => {
    await browser?.close()
    await Promise.all(servers.map(server => server.close()))
  })

  async function serve(options: Parameters<typeof LiveServer.start>[0]): Promise<LiveServer> {
    const server = await LiveServer.start(options)
    servers.push(server)
    return server
  }

  const open = (url: string, troubles?: string[]) => openPage(browser, url, troubles)

  it('moves its curves while a real run trains', async () => {
    const dir = mkdtempSync(join(root, 'real-'))
    await writeTinyWorld(dir, { steps: 800, probeEverySteps: 100, checkpointEverySteps: 800 })
    const server = await serve({ runs: [join(dir, 'runs')] })
    const troubles: string[] = []
    const page = await open(server.readUrl, troubles)
    const drawn: number[] = []
    const running = runRecipe({
      recipe: loadRecipe(join(dir, 'expansion.yaml')),
      out: join(dir, 'runs', 'tiny'),
      threads: 1,
    })
    let isDone = false
    const ended = () => {
      isDone = true
    }
    running.then(ended, ended)
    const end = Date.now() + 120_000
    while (!isDone || drawn.at(-1) !== 800) {
      if (Date.now() > end) {
        if (isDone) await running
        throw new Error(`the run is ${isDone ? 'done' : 'at work'}, of its loss are drawn ${drawn}`)
      }
      const x = await drawnX(page, 'loss')
      if (x.length > 0 && x.length !== drawn.at(-1)) drawn.push(x.length)
      await page.waitForTimeout(20)
    }
    await running
    expect(drawn.length).toBeGreaterThan(2)
    await untilState(page, state => state.runs?.[0]?.status === 'done')
    // it is drawn a moment after what it shows has come
    await expect.poll(async () => (await drawnX(page, 'forgetting')).at(-1)).toBe(800)
    await page.locator('[data-figure="layer-map"]').scrollIntoViewIfNeeded()
    await page.waitForSelector('[data-figure="layer-map"] .js-plotly-plot, [data-figure="layer-map"] .main-svg')
    expect(troubles).toEqual([])
    await page.close()
  })

  it('draws a figure whose first data come while it waits out of sight, below those that had theirs before', async () => {
    const dir = mkdtempSync(join(root, 'late-'))
    const run = new FakeRun(dir, 'a')
    const server = await serve({ runs: [dir] })
    const page = await open(server.readUrl)
    await page.setViewportSize({ width: 700, height: 500 })
    for (const figure of ['forgetting', 'contribution'])
      await expect.poll(() => drawnX(page, figure).then(x => x.length)).toBeGreaterThan(0)
    const top = () =>
      page
        .locator('[data-figure="loss"]')
        .boundingBox()
        .then(box => box!.y)
    expect(await top()).toBeGreaterThan(1200)
    run.train(20)
    await expect.poll(() => drawnX(page, 'loss').then(x => x.at(-1))).toBe(20)
    expect(await top()).toBeLessThan(1200)
    // a figure that has data and is out of sight is not drawn again
    const redraws = () =>
      stateOf(page).then(state => state.redraws.filter(redraw => redraw.figure === 'gradients').length)
    await expect.poll(redraws).toBeGreaterThan(0)
    await page.waitForTimeout(500)
    await page.locator('[data-figure="loss"]').scrollIntoViewIfNeeded()
    const before = await redraws()
    run.train(20)
    await expect.poll(() => drawnX(page, 'loss').then(x => x.at(-1))).toBe(40)
    await page.waitForTimeout(500)
    expect(await redraws()).toBe(before)
    await page.close()
  })

  it('goes on where it was when the process of the server is killed and started again in the middle of a run', async () => {
    const dir = mkdtempSync(join(root, 'restart-'))
    const run = new FakeRun(dir, 'a')
    // so many that a page cannot say in one message how far it is with all of them
    for (let i = 0; i < 55; i++) new FakeRun(dir, `${i}-${'long'.repeat(50)}`).writer.close()
    run.train(50)
    const tokens = randomTokens()
    const children: ChildProcess[] = []
    const start = async (port: number) => {
      const script = fileURLToPath(new URL('./serve-child.ts', import.meta.url))
      const child = spawn(
        process.execPath,
        ['--import', 'tsx', script, JSON.stringify({ runs: [dir], port, tokens })],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
      children.push(child)
      return Number(String((await once(child.stdout!, 'data'))[0]))
    }
    try {
      const port = await start(0)
      const troubles: string[] = []
      const page = await open(`http://127.0.0.1:${port}/?token=${tokens.read}&figures=loss`, troubles)
      await untilState(
        page,
        state => Object.keys(state.received).length === 56 && state.received['a']?.steps.at(-1) === 50,
      )
      run.train(30)
      await untilState(page, state => state.received['a']?.steps.at(-1) === 80)
      // without a farewell, in the middle of what it was sending
      const training = setInterval(() => run.train(1), 5)
      await untilState(page, state => state.received['a']!.steps.at(-1)! > 90)
      children[0]!.kill('SIGKILL')
      await once(children[0]!, 'exit')
      await page.waitForSelector('#connection:not(.open)')
      expect(await start(port)).toBe(port)
      await untilState(page, state => state.connections === 2)
      await new Promise(resolve => setTimeout(resolve, 300))
      clearInterval(training)
      run.train(10)
      const state = await untilState(page, ({ received }) => received['a']?.steps.at(-1) === run.step)
      expect(state.connections).toBe(2)
      expectComplete(state, run)
      // no other run was sent again either
      for (const { first, count } of Object.values(state.received))
        expect(count === 3 || first + count > 100).toBe(true)
      await expect.poll(() => drawnX(page, 'loss').then(x => x.at(-1)), { timeout: 20_000 }).toBe(run.step)
      expect(troubles).toEqual([])
      await page.close()
    } finally {
      for (const child of children) child.kill('SIGKILL')
    }
  })

  it('lets who has the write token steer, by buttons and sliders, and shows others the gates only', async () => {
    const dir = mkdtempSync(join(root, 'steer-'))
    const run = new FakeRun(dir, 'a')
    const gates = new Map([
      [1, 1],
      [3, 1],
    ])
    const asked: [step: string, wishes: object][] = []
    const controls: LiveControls = {
      active: () => ({ dir: run.dir, isPaused: false }),
      pause: () => {},
      resume: () => {},
      stop: () => {},
      gates: () => gates,
      gate: (value, layer) => {
        if (value === 0.5) throw new LabError('GATE', 'not now')
        for (const key of layer === undefined ? gates.keys() : [layer]) gates.set(key, value)
      },
      scores: async () => {
        if (gates.get(1) === 1) throw new LabError('LIVE_CONTROL', 'not while the run goes on')
        return [{ probe: 'code', lossNats: 2 + gates.get(1)! }]
      },
      walk: {
        names: ['ladder', 'copy', 'proof'],
        svg: async (name, wishes = {}) => {
          asked.push([name, wishes])
          if (name === 'proof') throw new LabError('LESSON', 'expand the model first')
          return lessonSvg({ number: 1, name, title: name, parts: [] })
        },
      },
    }
    const server = await serve({ runs: [dir], controls })
    const page = await open(server.url)
    await page.getByRole('button', { name: '1 ladder' }).click()
    await page.getByAltText('step 1: ladder').waitFor()
    await page.keyboard.press('ArrowRight')
    await page.getByAltText('step 2: copy').waitFor()
    await page.keyboard.press('ArrowRight')
    await expect.poll(() => page.getByRole('alert').textContent()).toBe('expand the model first')
    await page.getByRole('button', { name: '1 ladder' }).click()
    await page.getByLabel('on a text of your own').fill('the river & the sea')
    await page.keyboard.press('Enter')
    await expect.poll(() => asked.at(-1)).toEqual(['ladder', { prompt: 'the river & the sea' }])
    await page.getByLabel('on a text of your own').fill('')
    await page.getByLabel('new blocks').fill('2')
    await page.locator('#placement').selectOption('suffix')
    await expect.poll(() => asked.at(-1)).toEqual(['ladder', { expansion: { groups: 2, placement: 'suffix' } }])
    await page.getByRole('button', { name: '2 copy' }).click()
    expect(await page.getByLabel('new blocks').isVisible()).toBe(false)
    const slider = page.getByLabel('gate of block 3')
    await slider.fill('0.4')
    await expect.poll(() => [...gates.values()]).toEqual([1, 0.4])
    const scores = page.locator('#scores')
    await expect.poll(() => scores.textContent()).toBe('not while the run goes on')
    await slider.fill('0.5')
    await expect.poll(() => slider.inputValue()).toBe('0.4')
    await page.getByLabel('gate of all').fill('0')
    await expect.poll(() => [...gates.values()]).toEqual([0, 0])
    await expect.poll(() => scores.textContent()).toContain('code 2.0000')
    await page.getByLabel('gate of block 1').fill('0.25')
    await expect.poll(() => scores.textContent()).toContain('code 2.2500 (+0.2500)')
    await page.getByLabel('gate of all').fill('0')
    await expect.poll(() => scores.textContent()).toContain('code 2.0000 (\u22120.2500)')
    const watcher = await open(server.readUrl)
    expect(await watcher.locator('#walk').isVisible()).toBe(false)
    expect(await watcher.locator('#scores').isVisible()).toBe(false)
    expect(await watcher.getByLabel('gate of block 3').isDisabled()).toBe(true)
    expect(await watcher.getByLabel('gate of block 3').inputValue()).toBe('0')
    // another model, with new blocks elsewhere
    gates.clear()
    gates.set(2, 1)
    const named = () => page.locator('#gates label').allTextContents()
    await expect.poll(named).toEqual(['all1.00', 'block 21.00'])
    gates.clear()
    await expect.poll(named).toEqual([])
    await page.close()
    await watcher.close()
  })

  it('is shown in a notebook of this machine by its ticket, which a saved notebook has in vain', async () => {
    const dir = mkdtempSync(join(root, 'notebook-'))
    const run = new FakeRun(dir, 'a')
    run.train(30)
    const server = await serve({ runs: [dir] })
    const figure = runFigure('forgetting', [readRunRecords(run.dir)])
    const output = liveOutput(server)
    // as JupyterLab shows an SVG
    const beside = encodeURIComponent(String(coveredBundle(figure, output)['image/svg+xml']))
    const html = `${liveFrame(server, output)}<img src="data:image/svg+xml,${beside}">`
    for (const token of Object.values(server.access.tokens)) expect(html).not.toContain(token)
    const notebook = createServer((_, response) => response.setHeader('content-type', 'text/html').end(html))
    await new Promise<void>(resolve => notebook.listen(0, '127.0.0.1', resolve))
    const address = `http://localhost:${(notebook.address() as AddressInfo).port}/`
    const page = await open(address)
    const live = page.frameLocator('iframe')
    await live.locator('#connection.open').waitFor({ state: 'attached' })
    await live.locator('[data-figure="forgetting"] .main-svg').first().waitFor()
    await expect.poll(() => page.locator('img').isVisible()).toBe(false)
    const saved = await open(address)
    await saved.waitForTimeout(500)
    expect(await saved.locator('img').isVisible()).toBe(true)
    expect(await saved.locator('iframe').isVisible()).toBe(false)
    await page.close()
    await saved.close()
    notebook.close()
    const whole = String(liveBundle(server, figure)['text/html'])
    const alone = createServer((_, response) => response.setHeader('content-type', 'text/html').end(whole))
    await new Promise<void>(resolve => alone.listen(0, '127.0.0.1', resolve))
    const result = await open(`http://localhost:${(alone.address() as AddressInfo).port}/`)
    await result.frameLocator('iframe').locator('#connection.open').waitFor({ state: 'attached' })
    await expect.poll(() => result.locator('img').isVisible()).toBe(false)
    await result.close()
    alone.close()
  })

  it('is not there for pages from elsewhere', async () => {
    const server = await serve({ runs: [mkdtempSync(join(root, 'elsewhere-'))] })
    const foreign = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<p>hello</p>'))
    await new Promise<void>(resolve => foreign.listen(0, '127.0.0.1', resolve))
    const page = await browser.newPage()
    await page.goto(`http://localhost:${(foreign.address() as AddressInfo).port}/`)
    const outcome = (address: string) =>
      page.evaluate(
        `new Promise(done => { const s = new WebSocket(${JSON.stringify(address)}); s.onopen = () => done('open'); s.onerror = () => done('refused') })`,
      )
    expect(await outcome(server.url.replace('http:', 'ws:').replace('/?', '/live?'))).toBe('refused')
    const read = `fetch(${JSON.stringify(server.url.replace('/?', '/runs?'))}).then(r => r.text(), () => 'refused')`
    expect(await page.evaluate(read)).toBe('refused')
    await page.goto(`http://127.0.0.1:${server.port}/`)
    expect(await page.textContent('body')).toContain('token is missing')
    await page.close()
    foreign.close()
  })
})
