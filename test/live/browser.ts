import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

const candidates = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']

/** The Chromium of this machine, or undefined: then browser tests are skipped. */
export const chromiumPath = candidates.find((path): path is string => path !== undefined && existsSync(path))

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: chromiumPath!, args: ['--no-sandbox'] })
}

/** Opens an address; an error in the page or a message of it on the console is a trouble. */
export async function openPage(browser: Browser, url: string, troubles: string[] = []): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1440, height: 1000 } })
  page.on('pageerror', error => troubles.push(error.message))
  page.on('console', message => {
    if (message.type() === 'error' && !message.text().includes('WebSocket')) troubles.push(message.text())
  })
  await page.goto(url)
  return page
}

/** What the page tells of itself: `window.llamaProLive`. */
export interface PageState {
  received: Record<string, { first: number; count: number; steps: number[] }>
  redraws: { figure: string; ms: number }[]
  connections: number
  runs?: { name: string; status: string; step: number }[]
}

export function stateOf(page: Page): Promise<PageState> {
  return page.evaluate(() => (globalThis as unknown as { llamaProLive: PageState }).llamaProLive)
}

/** Waits until the page is in a state, and returns it. */
export async function untilState(
  page: Page,
  test: (state: PageState) => boolean,
  timeoutMs = 60_000,
): Promise<PageState> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const state = await stateOf(page)
    if (test(state)) return state
    if (Date.now() > end) throw new Error(`the page did not get there: ${JSON.stringify(state).slice(0, 300)}`)
    await page.waitForTimeout(50)
  }
}

/** The x of the last trace that plotly has of a figure; empty before it is drawn. */
export function drawnX(page: Page, figure: string): Promise<number[]> {
  const find = `document.querySelector('[data-figure="${figure}"] .plot')?.data?.at(-1)?.x ?? []`
  return page.evaluate(find)
}
