import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Lab } from '../../src/lab/session/lab.js'
import { temporaryDirectory } from '../support/temporary.js'
import { chromiumPath, drawnX, launchChromium, openPage } from './browser.js'

/** Where the pictures go; without it none are taken. */
const screenshots = process.env['LLAMA_PRO_SCREENSHOTS']
const STEPS = 40

describe.skipIf(!screenshots || !chromiumPath)('pictures of the live page', () => {
  it('with the demo by expansion and by full fine-tuning: while it trains, and with its gates half open', async () => {
    mkdirSync(screenshots!, { recursive: true })
    const lab = new Lab({ cwd: temporaryDirectory('screenshots') })
    const browser = await launchChromium()
    const troubles: string[] = []
    const train = (name: string) => lab.train({ name, steps: STEPS, probeEverySteps: 4 })
    try {
      await lab.load('demo')
      await train('full')
      await lab.load('demo')
      await lab.expand({ groups: 3 })
      const server = await lab.serve()
      const page = await openPage(browser, server.url, troubles)
      await page.setViewportSize({ width: 1200, height: 860 })
      const picture = async (name: string) => {
        // what plotly.js and the page still move
        await page.waitForTimeout(1000)
        await page.screenshot({ path: join(screenshots!, `${name}.png`) })
      }
      const run = train('expansion')
      await expect.poll(() => run.step, { timeout: 600_000, interval: 50 }).toBeGreaterThanOrEqual(0.7 * STEPS)
      await run.pause()
      await page.getByRole('button', { name: 'resume' }).waitFor()
      await expect.poll(() => drawnX(page, 'loss').then(x => x.length)).toBeGreaterThan(0.6 * STEPS)
      await picture('live-page')
      run.resume()
      await run
      await page.getByLabel('gate of all').fill('1')
      await expect.poll(() => page.locator('#scores').textContent(), { timeout: 60_000 }).toContain('code')
      await page.getByLabel('gate of all').fill('0.5')
      await expect.poll(() => page.locator('#scores').textContent(), { timeout: 60_000 }).toContain('(')
      await page.getByRole('button', { name: 'first step' }).click()
      await page.locator('#walk img').waitFor({ timeout: 60_000 })
      await picture('live-walk')
      expect(troubles).toEqual([])
    } finally {
      await browser.close()
      await lab.dispose()
    }
  }, 900_000)
})
