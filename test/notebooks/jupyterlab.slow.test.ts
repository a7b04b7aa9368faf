import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { builtKernelSpec } from '../kernel/built-kernel.js'
import { chromiumPath, launchChromium } from '../live/browser.js'
import { temporaryDirectory } from '../support/temporary.js'

/** A Python with JupyterLab: `LLAMA_PRO_JUPYTER_PYTHON`, which has to have it, the tests' Python, or `python3`. */
const named = process.env['LLAMA_PRO_JUPYTER_PYTHON']
const python = named ?? process.env['LLAMA_PRO_TEST_PYTHON'] ?? 'python3'
const hasLab = named !== undefined || spawnSync(python, ['-c', 'import jupyterlab']).status === 0
const screenshots = process.env['LLAMA_PRO_SCREENSHOTS']

const cells = [
  "await lab.load('demo')",
  'await lab.expand({ groups: 3 })',
  'const run = lab.train({ steps: 2000, probeEverySteps: 5 })',
  'await run',
  'run.status',
  '40 + 2',
  "lab.train({ steps: 2000, probeEverySteps: 5, name: 'second' }).name",
]

async function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

describe.skipIf(!hasLab || chromiumPath === undefined)('JupyterLab in Chromium', () => {
  const dir = temporaryDirectory('jupyterlab')
  let server: ChildProcess
  let browser: Browser
  let page: Page

  const output = (cell: number) => page.locator('.jp-CodeCell').nth(cell).locator('.jp-OutputArea-output')
  const run = async (cell: number) => {
    await page.locator('.jp-CodeCell').nth(cell).locator('.cm-content').click()
    await page.keyboard.press('Control+Enter')
  }
  const area = (cell: number) => page.locator('.jp-CodeCell').nth(cell).locator('.jp-OutputArea')
  /** The curves of the live page below a cell, as they are drawn now. */
  const curves = (cell: number) =>
    area(cell).frameLocator('iframe').locator('[data-figure="forgetting"] .main-svg').first()
  const drawn = (cell: number) => curves(cell).evaluate((node: unknown) => (node as { outerHTML: string }).outerHTML)
  /** Waits for the live page below a cell; it draws what can be seen. */
  const livePage = async (cell: number) => {
    await area(cell).locator('iframe').waitFor({ timeout: 120_000 })
    await area(cell).locator('iframe').scrollIntoViewIfNeeded()
    await curves(cell).waitFor({ timeout: 60_000 })
  }
  const picture = async (name: string) => {
    if (screenshots) await page.screenshot({ path: join(screenshots, `${name}.png`) })
  }

  beforeAll(async () => {
    const specs = join(dir, 'share', 'kernels', 'llama-pro')
    mkdirSync(specs, { recursive: true })
    writeFileSync(join(specs, 'kernel.json'), JSON.stringify(builtKernelSpec()))
    const notebook = {
      cells: cells.map((source, i) => ({
        cell_type: 'code',
        id: `c${i}`,
        metadata: {},
        source,
        outputs: [],
        execution_count: null,
      })),
      metadata: { kernelspec: { name: 'llama-pro', display_name: 'test', language: 'typescript' } },
      nbformat: 4,
      nbformat_minor: 5,
    }
    mkdirSync(join(dir, 'work'))
    writeFileSync(join(dir, 'work', 'try.ipynb'), JSON.stringify(notebook))
    const [port, token] = [await freePort(), randomBytes(8).toString('hex')]
    const options = ['--no-browser', '--allow-root', `--ServerApp.port=${port}`, `--IdentityProvider.token=${token}`]
    server = spawn(python, ['-m', 'jupyterlab', ...options, '--ServerApp.ip=127.0.0.1'], {
      cwd: join(dir, 'work'),
      env: {
        ...process.env,
        HOME: dir,
        JUPYTER_PATH: join(dir, 'share'),
        LLAMA_PRO_HISTORY: join(dir, 'history.jsonl'),
      },
      stdio: 'ignore',
      detached: true,
    })
    const base = `http://127.0.0.1:${port}`
    for (let n = 0; n < 120; n++) {
      const answer = await fetch(`${base}/api?token=${token}`).catch(() => null)
      if (answer?.ok) break
      await setTimeout(500)
    }
    browser = await launchChromium()
    page = await browser.newPage({ viewport: { width: 1100, height: 1400 } })
    await page.goto(`${base}/lab/tree/try.ipynb?token=${token}`)
    await page
      .locator('.jp-CodeCell')
      .nth(cells.length - 1)
      .waitFor({ timeout: 120_000 })
    // a key that comes before the kernel is connected is lost
    await page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').waitFor({ timeout: 60_000 })
  }, 240_000)

  afterAll(async () => {
    await browser?.close()
    if (server?.pid !== undefined) process.kill(-server.pid, 'SIGKILL')
  })

  test('runs cells, follows a run on the live page, interrupts it and goes on', async () => {
    await run(0)
    await output(0).locator('svg, img').first().waitFor({ timeout: 120_000 })
    await run(1)
    await output(1).locator('svg, img').first().waitFor({ timeout: 60_000 })
    await run(2)
    // the live page, in place of the picture that covers it until it is there
    await livePage(2)
    const first = await drawn(2)
    await expect.poll(() => drawn(2), { timeout: 60_000 }).not.toBe(first)
    await picture('training')
    await run(3)
    await setTimeout(1500)
    // the square button of the toolbar
    await page.keyboard.press('Escape')
    await page.keyboard.press('i')
    await page.keyboard.press('i')
    await expect.poll(() => area(2).textContent(), { timeout: 60_000 }).toMatch(/interrupted/)
    await expect.poll(() => area(3).textContent(), { timeout: 30_000 }).toContain('Interrupted')
    // what stays is the picture
    await expect.poll(() => area(2).locator('iframe').count(), { timeout: 30_000 }).toBe(0)
    await area(2).locator('svg, img').first().waitFor()
    await run(4)
    await expect.poll(() => output(4).first().textContent(), { timeout: 60_000 }).toMatch(/'interrupted'/)
    await run(5)
    await expect.poll(() => output(5).first().textContent(), { timeout: 30_000 }).toContain('42')
    await picture('interrupted')
  }, 480_000)

  test('follows a second run on a page of its own, for as long as it goes on', async () => {
    await run(6)
    await livePage(6)
    // longer than a front end has to bring the page
    await setTimeout(8000)
    const before = await drawn(6)
    await expect.poll(() => drawn(6), { timeout: 60_000 }).not.toBe(before)
    await picture('second')
    await page.keyboard.press('Escape')
    await page.keyboard.press('i')
    await page.keyboard.press('i')
    await expect.poll(() => area(6).textContent(), { timeout: 60_000 }).toMatch(/interrupted/)
    await expect.poll(() => area(6).locator('iframe').count(), { timeout: 30_000 }).toBe(0)
  }, 300_000)

  test('completes a name of the lab', async () => {
    const editor = page.locator('.jp-CodeCell').nth(5).locator('.cm-content')
    await editor.click()
    await page.keyboard.press('Control+a')
    await page.keyboard.type('lab.unfr')
    await page.keyboard.press('Tab')
    const menu = page.locator('.jp-Completer')
    await expect.poll(() => menu.textContent().catch(() => ''), { timeout: 30_000 }).toContain('unfreeze')
    await picture('completed')
    await page.keyboard.press('Enter')
    await expect.poll(() => editor.textContent(), { timeout: 30_000 }).toContain('lab.unfreeze')
  }, 60_000)
})
