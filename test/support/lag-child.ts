/**
 * Trains by a recipe in a process of its own and measures how long its event loop is ever held up: `lag-child.ts '{"recipe": ..., "out": ...}'`.
 * Prints one JSON line. Measuring begins with the record of step `warmup`, when everything is compiled and loaded.
 */
import { readFileSync } from 'node:fs'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import type { RunEvents } from '../../src/lab/run-events.js'
import { runRecipe } from '../../src/lab/run-recipe.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { Emitter } from '../../src/util/emitter.js'

export interface LagRequest {
  recipe: Record<string, unknown>
  out: string
  threads: number
  warmup: number
}

export interface LagReport {
  /** 99th percentile and maximum of perf_hooks' event loop delay, ms. */
  p99Ms: number
  maxMs: number
  /** The longest pause of a timer, less the time in which this thread was ready but another process had the core, ms. */
  ownMs: number
  /** What had happened last before that pause. */
  ownAfter: string
  samples: number
  steps: number
}

/** Milliseconds that this thread has waited for a core so far; 0 where the system does not say. */
function queuedMs(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

const EVERY_MS = 5

/** Watches a timer that should fire every few milliseconds. */
function watchTimer(report: LagReport, label: () => string): () => void {
  let last = performance.now()
  let queued = queuedMs()
  const timer = setInterval(() => {
    const [now, waited] = [performance.now(), queuedMs()]
    const own = now - last - EVERY_MS - (waited - queued)
    report.samples++
    if (own > report.ownMs) {
      report.ownMs = own
      report.ownAfter = label()
    }
    ;[last, queued] = [now, waited]
  }, EVERY_MS)
  return () => clearInterval(timer)
}

async function main(): Promise<void> {
  const { recipe, out, threads, warmup } = JSON.parse(process.argv[2]!) as LagRequest
  const events = new Emitter<RunEvents>()
  const delay = monitorEventLoopDelay({ resolution: 5 })
  const report: LagReport = { p99Ms: 0, maxMs: 0, ownMs: 0, ownAfter: '', samples: 0, steps: 0 }
  let label = ''
  let stop = () => {}
  const finish = () => {
    stop()
    delay.disable()
    report.p99Ms = delay.percentile(99) / 1e6
    report.maxMs = delay.max / 1e6
  }
  events.on('checkpoint', ({ step }) => (label = `checkpoint ${step}`))
  events.on('record', record => {
    label = `${record.kind} ${record.step}`
    if (record.kind !== 'train') return
    if (record.step === warmup) {
      delay.enable()
      stop = watchTimer(report, () => label)
    }
    if (record.step > warmup) report.steps++
  })
  // the end of training, checkpoint and probes included
  events.on('frozen', finish)
  await runRecipe({ recipe: parseRecipe(recipe), out, threads, events })
  process.stdout.write(JSON.stringify(report))
}

void main()
