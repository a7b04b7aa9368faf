/** The terminal: first prompt beside IPython's, a key until it is seen while training runs, and what a frame costs. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadCompiler } from '../../kernel/evaluator/compiler-host.js'
import { emptyBuffer, withText } from '../../repl/editor/buffer.js'
import { emptyPrompt, type PromptState, suggestionOf } from '../../repl/editor/prompt.js'
import { describeSession } from '../../repl/terminal/describe-session.js'
import { Screen } from '../../repl/terminal/screen.js'
import { highlight } from '../../repl/ui/highlight.js'
import type { InkRenderer } from '../../repl/ui/ink-renderer.js'
import { makeLook } from '../../repl/ui/look.js'
import { frameOf, type View } from '../../repl/ui/view.js'
import { formatBytes, formatCount, formatDuration, Lab, type MetricRecord, packageVersion } from '../../src/index.js'
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
  const ours = [process.execPath, mainFile, 'repl']
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

/** The demo with its new blocks, for what the status line says. */
async function expandedDemo(): Promise<Lab> {
  const lab = new Lab()
  await lab.load('demo')
  await lab.expand({ groups: 3 })
  return lab
}

/** Earlier lines, as many as can be walked through; none of them begins as what is typed. */
const entries = Array.from({ length: 5000 }, (_, i) => `const before${i} = lab.layers()`)

/** What a frame may cost. */
const most = { medianBytes: 1000, medianSeconds: 0.005 }

/** Median bytes and milliseconds of the frames of a run of 150 steps with a key typed at each, from the key to the last byte. */
async function frameCost(): Promise<{ medianSeconds: number; medianBytes: number; largestBytes: number }> {
  // the build, and React as the program loads it
  process.env['NODE_ENV'] = 'production'
  const built = join(mainFile, '..', '..', 'ui', 'ink-renderer.js')
  const { createInkRenderer } = (await import(built)) as { createInkRenderer: () => InkRenderer }
  const ts = loadCompiler()
  const shownRecords: MetricRecord[] = []
  const all = records(150)
  const lab = await expandedDemo()
  const session = describeSession(lab)
  const code = 'const counted = [1, 2, 3].map(value => value * 2) // '.padEnd(90, 'x')
  const promptAt = (step: number) => ({ ...emptyPrompt, buffer: withText(emptyBuffer, code.slice(0, step % 90)) })
  const view = (step: number): View => ({
    columns: 100,
    rows: 40,
    look: makeLook({ color: true }),
    formats: { count: formatCount, bytes: formatBytes, duration: formatDuration },
    prompt: promptView(promptAt(step)),
    menu: null,
    about: '',
    search: null,
    run: { name: 'expansion', status: 'training', step, steps: 150, etaSeconds: 150 - step, records: shownRecords },
    phase: 'training',
    unfinished: '',
    running: null,
    session,
    hint: '',
    steps: null,
  })
  function promptView(state: PromptState): View['prompt'] {
    const { text, cursor } = state.buffer
    const suggestion = suggestionOf(state, { entries, isComplete: () => true })
    return { text, cursor, label: 'In [7]: ', suggestion, spans: highlight(text, ts) }
  }
  let bytes = 0
  const screen = new Screen({ write: text => (bytes += Buffer.byteLength(text)), columns: 100, rows: 40 })
  const ink = createInkRenderer()
  screen.open()
  const frames = Array.from({ length: 150 }, (_, i) => {
    while (shownRecords.length < all.length && all[shownRecords.length]!.step <= i + 1)
      shownRecords.push(all[shownRecords.length]!)
    bytes = 0
    const began = performance.now()
    const shown = view(i + 1)
    const { lines, cursor } = frameOf(shown)
    screen.draw({ lines: ink.lines(lines, shown), cursor })
    return { seconds: (performance.now() - began) / 1000, bytes }
  }).slice(20)
  ink.close()
  await lab.dispose()
  const sizes = frames.map(frame => frame.bytes)
  const cost = {
    medianSeconds: median(frames.map(frame => frame.seconds)),
    medianBytes: median(sizes),
    largestBytes: Math.max(...sizes),
  }
  // told, and an exit code, but the other measurements are worth having all the same
  if (cost.medianBytes >= most.medianBytes || cost.medianSeconds >= most.medianSeconds) {
    console.error(`a frame costs ${JSON.stringify(cost)}; expected less than ${JSON.stringify(most)}`)
    process.exitCode = 1
  }
  return cost
}
