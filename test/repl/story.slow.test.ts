/** The demo story as a newcomer meets it, and the front door without a terminal. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type MetricRecord, readMetrics } from '../../src/index.js'
import { temporaryDirectory } from '../support/temporary.js'
import { Tmux, whyNoTmux } from './tmux.js'

const { build, root } = (await import('../../repl/setup.mjs' as string)) as { build: () => void; root: string }
const start = join(root, 'repl', 'start.mjs')

/** What the demo is to show: a base that knows English and neither code nor arithmetic, learns both, and forgets a fraction in new blocks. */
function expectClaims(recordsOf: (run: string) => MetricRecord[]): void {
  /** Bits per byte of a probe before and after a run. */
  const bits = (run: string, probe: string) => {
    const values = recordsOf(run).flatMap(r => (r.kind === 'probe' && r.probe === probe ? [r.bitsPerByte] : []))
    return { before: values[0]!, change: values.at(-1)! - values[0]! }
  }
  const general = bits('demo-expansion', 'general')
  const fullGeneral = bits('demo-full', 'general')
  expect(general.before).toBeLessThan(2.2)
  expect(fullGeneral.before).toBe(general.before)
  for (const probe of ['code', 'math']) {
    expect(bits('demo-expansion', probe).before).toBeGreaterThan(general.before + 1)
    for (const run of ['demo-expansion', 'demo-full']) expect(bits(run, probe).change).toBeLessThan(-0.5)
  }
  expect(fullGeneral.change).toBeGreaterThan(0.1)
  expect(general.change).toBeLessThan(fullGeneral.change / 2)
}

describe('npm start', () => {
  let terminal: Tmux | null = null
  beforeAll(() => build())
  afterEach(() => terminal?.close())

  it.skipIf(whyNoTmux !== null)(
    'offers the demo story, which one key runs to its end',
    async () => {
      const cwd = temporaryDirectory('story')
      terminal = new Tmux({ cwd, columns: 100, rows: 40, env: { LLAMA_PRO_HISTORY: '', NO_COLOR: '1' } })
      terminal.type(`node ${start}; echo "left with $?"\r`)
      const first = await terminal.until(/^In \[1\]: :demo$/m)
      expect(first).toMatch(/Llama Pro Lab[\s\S]*Enter runs the demo story/)
      terminal.keys('Enter')
      await terminal.until(/4 {2}Proof[\s\S]*identical, bit for bit/, { timeoutMs: 120_000, all: true })
      await terminal.until(/● training demo-expansion[\s\S]*general[\s\S]*code/, { timeoutMs: 120_000 })
      const end = await terminal.until(/That was the method/, { timeoutMs: 600_000, all: true })
      for (let part = 1; part <= 8; part++) expect(end).toMatch(new RegExp(`^${part}  \\S`, 'm'))
      expect(end).toMatch(/demo-expansion: done[\s\S]*demo-full: done/)
      const summary = end.slice(end.indexOf('8  Both on the same axes'))
      expect(summary).toMatch(/demo-expansion[\s\S]*demo-full/)
      expectClaims(name => readMetrics(join(cwd, 'runs', name, 'metrics.jsonl')))
      terminal.type('lab.runs().map(run => run.status).join()\r')
      await terminal.until(/Out\[\d+\]: 'done,done'/)
      terminal.keys('C-d')
      await terminal.until(/left with 0/)
      // a minute, on a machine with much to do ten
    },
    900_000,
  )

  it.each([
    ['1 + 1\n20 + 2\n', 0, '2\n22\n'],
    ['1 + 1\nthrow new Error("stop")\n3\n', 1, '2\n'],
  ])('runs the lines of a pipe: %j leaves with %i', async (lines, code, expected) => {
    const env = { ...process.env, LLAMA_PRO_HISTORY: '' }
    const child = spawn(process.execPath, [start], { cwd: temporaryDirectory('pipe'), env })
    let stdout = ''
    child.stdout.on('data', chunk => (stdout += chunk))
    child.stdin.end(lines)
    expect(await new Promise(resolve => child.on('close', resolve))).toBe(code)
    expect(stdout).toBe(expected)
  })
})
