/** The terminal: first prompt beside IPython's, a key until it is seen while training runs, and what a frame costs. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Screen } from '../../repl/terminal/screen.js'
import type { InkRenderer } from '../../repl/ui/ink-renderer.js'
import { makeLook } from '../../repl/ui/look.js'
import { frameOf, type View } from '../../repl/ui/view.js'
import { formatBytes, formatCount, formatDuration, type MetricRecord, packageVersion } from '../../src/index.js'
import { benchPython } from './python.js'
import type { Measurement } from './results.js'
import { median } from './statistics.js'

const driver = fileURLToPath(new URL('./peers/pty_session.py', import.meta.url))
const { mainFile, build } = (await import('../../repl/setup.mjs' as string)) as { mainFile: string; build: () => void }

/** A run that has data of its own and nothing to measure, long enough for every key. */
const train: [string, string][] = [
  [':load demo\r', 'total: '],
  [':expand groups=3\r', 'trainable: 1,918,464'],
  ['lab.probes({})\r:train steps=2000 microBatch=4\r', '● training'],
]

interface Times {
  promptSeconds: number
  keySeconds: number[]
}

function atTerminal(prompt: string, setup: [string, string][], keys: number, command: string[]): Times {
  const cwd = mkdtempSync(join(tmpdir(), 'llama-pro-bench-'))
  try {
    const args = [driver, prompt, JSON.stringify(setup), String(keys), ...command]
    const env = { ...process.env, LLAMA_PRO_HISTORY: '', IPYTHONDIR: cwd }
    return JSON.parse(execFileSync(benchPython(), args, { cwd, env, encoding: 'utf8' })) as Times
  } finally {
    rmSync(cwd, { recursive: true, force: true })
  }
}

export async function replSuite({ rounds }: { rounds: number }): Promise<Measurement[]> {
  build()
  const open = join(mainFile, '..', '..', 'main.js')
  const ours = [process.execPath, '-e', `import(${JSON.stringify(open)}).then(m => m.openRepl())`]
  const theirs = [benchPython(), '-m', 'IPython', '--no-banner']
  const prompts = { ours: [] as number[], ipython: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    prompts.ours.push(atTerminal('In \\[1\\]:', [], 0, ours).promptSeconds)
    prompts.ipython.push(atTerminal('In \\[1\\]:', [], 0, theirs).promptSeconds)
  }
  const { keySeconds } = atTerminal('In \\[1\\]:', train, 40, ours)
  const version = packageVersion()
  const ipython = execFileSync(benchPython(), ['-m', 'IPython', '--version'], { encoding: 'utf8' }).trim()
  const prompt = 'start to the first prompt'
  return [
    { what: prompt, who: 'ours', version, medianSeconds: median(prompts.ours) },
    { what: prompt, who: 'ipython', version: ipython, medianSeconds: median(prompts.ipython) },
    { what: 'key to screen while training', who: 'ours', version, medianSeconds: median(keySeconds) },
    { what: 'a frame of 100 x 40 while training', who: 'ours', version, ...(await frameCost()) },
  ]
}

const head = { seq: 0, tokens: 0, seconds: 1 }

/** Records of the first steps of a run with three probes. */
function records(steps: number): MetricRecord[] {
  const rates = { lr: 1, gradNorm: 1, tokensPerSec: 2310 + steps, rssBytes: 8e8, mix: {} }
  const unmeasured = {
    klToBaseNats: null,
    unshifted: null,
    marginal: null,
    shifted: null,
    tokensScored: 1,
    bytesScored: 1,
  }
  const probe = (name: string, step: number, delta: number): MetricRecord => {
    const band = { deltaNats: delta, deltaLow: delta - 0.01, deltaHigh: delta + 0.01 }
    return { ...head, ...band, ...unmeasured, kind: 'probe', step, probe: name, lossNats: 3 + delta, bitsPerByte: 1 }
  }
  return Array.from({ length: steps }, (_, i) => i + 1).flatMap((step): MetricRecord[] => [
    { ...head, ...rates, kind: 'train', step, lossNats: 5 - Math.sqrt(step) / 5 + Math.sin(step) / 9 },
    ...(step % 10 === 0 ? ['general', 'code', 'math'].map((name, i) => probe(name, step, -step * 0.01 * i)) : []),
  ])
}

/** Median bytes and milliseconds of the frames of a run of 150 steps with a key typed at each. */
async function frameCost(): Promise<{ medianSeconds: number; medianBytes: number; largestBytes: number }> {
  // the build, and React as the program loads it
  process.env['NODE_ENV'] = 'production'
  const built = join(mainFile, '..', '..', 'ui', 'ink-renderer.js')
  const { createInkRenderer } = (await import(built)) as { createInkRenderer: (first: View) => InkRenderer }
  const view = (step: number): View => ({
    columns: 100,
    rows: 40,
    look: makeLook({ color: true }),
    formats: { count: formatCount, bytes: formatBytes, duration: formatDuration },
    prompt: { text: 'x'.repeat(step % 70), cursor: step % 70, label: 'In [7]: ', suggestion: '', spans: [] },
    menu: null,
    about: '',
    search: null,
    run: { name: 'expansion', status: 'training', step, steps: 150, etaSeconds: 150 - step, records: records(step) },
    phase: 'training',
    unfinished: '',
    running: null,
    session: 'demo  9 blocks, 3 new  cpu',
    hint: '',
    steps: null,
  })
  let bytes = 0
  const screen = new Screen({ write: text => (bytes += Buffer.byteLength(text)), columns: 100, rows: 40 })
  const ink = createInkRenderer(view(1))
  screen.open()
  const frames = Array.from({ length: 150 }, (_, i) => {
    const shown = view(i + 1)
    bytes = 0
    const began = performance.now()
    screen.draw({ lines: ink.lines(shown), cursor: frameOf(shown).cursor })
    return { seconds: (performance.now() - began) / 1000, bytes }
  }).slice(20)
  ink.close()
  const sizes = frames.map(frame => frame.bytes)
  return {
    medianSeconds: median(frames.map(frame => frame.seconds)),
    medianBytes: median(sizes),
    largestBytes: Math.max(...sizes),
  }
}
