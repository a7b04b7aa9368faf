import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'
import { cli, cliJson } from './harness.js'
import { writeTinyMetrics } from './tiny-run.js'

const dir = temporaryDirectory('cli-plot')
const [ours, full] = [join(dir, 'ours'), join(dir, 'full')]
writeTinyMetrics(ours)
writeTinyMetrics(full, { slope: 0.4 })

describe('plot', () => {
  test('a picture and a table in the terminal', async () => {
    const { code, stdout } = await cli('plot', ours, full)
    expect(code).toBe(0)
    expect(stdout).toMatch(/[\u2801-\u28ff]/)
    expect(stdout).toMatch(/^full +general +4 +2\.0000 +2\.8000 +\+1\.6000 /m)
  })

  test('JSON: the figure as data, every run and probe', async () => {
    const { value } = await cliJson<{ summary: { run: string; probe: string }[]; figure: { panels: unknown[] } }>(
      'plot',
      ours,
      full,
      '--figure',
      'forgetting',
    )
    expect(value.summary.map(({ run, probe }) => `${run} ${probe}`)).toEqual([
      'ours general',
      'ours code',
      'full general',
      'full code',
    ])
    expect(value.figure.panels.length).toBeGreaterThan(0)
  })

  test('--out without a name: SVG and page beside the run', async () => {
    const { code, stdout } = await cli('plot', ours, full, '--unit', 'bits', '--x', 'tokens', '--out')
    expect(code).toBe(0)
    expect(stdout).toBe(`wrote ${join(ours, 'forgetting.svg')}\nwrote ${join(ours, 'forgetting.html')}\n`)
    expect(readFileSync(join(ours, 'forgetting.svg'), 'utf8')).toMatch(/^<svg .*<\/svg>/s)
    const page = readFileSync(join(ours, 'forgetting.html'), 'utf8')
    expect(page).toContain('<h2>Held-out text before and after</h2>')
    expect(page.match(/<figure>/g)!.length).toBeGreaterThan(1)
  })

  test('--out with a name writes that file in a new folder', async () => {
    const file = join(dir, 'plots', 'one.svg')
    await cli('plot', ours, '--figure', 'trade-off', '--out', file)
    expect(existsSync(file)).toBe(true)
  })

  test('what is no run is said', async () => {
    const { code, stderr } = await cli('plot', dir)
    expect(code).toBe(1)
    expect(stderr).toContain(join(dir, 'metrics.jsonl'))
  })
})
