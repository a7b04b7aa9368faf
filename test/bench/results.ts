/** The results file: one JSON line a suite and run, with the machine and the versions it was measured with. */
import { appendFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'

export const resultsFile = fileURLToPath(new URL('./results.jsonl', import.meta.url))

export interface Measurement {
  /** What was measured: `step a`, `generate b`, ... */
  what: string
  /** Who did it: `ours`, `torch`, ... */
  who: string
  version: string
  /** Medians over the rounds, with units in their names. */
  [figure: string]: string | number
}

function machine(): Record<string, string | number> {
  const memoryGib = Math.round(totalmem() / 2 ** 30)
  return { cpu: cpus()[0]?.model ?? 'unknown', cores: availableParallelism(), memoryGib, node: process.version }
}

/** Appends what a suite has measured. */
export function record(suite: string, measurements: readonly Measurement[]): void {
  const line = { date: new Date().toISOString().slice(0, 10), suite, machine: machine(), measurements }
  appendFileSync(resultsFile, `${JSON.stringify(line)}\n`)
}
