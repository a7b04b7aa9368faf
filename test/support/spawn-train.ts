import { type ChildProcess, spawn } from 'node:child_process'
import { builtProgram } from './built-program.js'
import type { ChildRequest } from './train-child.js'

export interface ChildResult {
  signal: NodeJS.Signals | null
  code: number | null
  stderr: string
  /** What the child has printed at its end, when it came that far. */
  result: {
    status: string
    step: number
    /** Until the last step was done; checkpoints, which copy a tensor at a time, not included. */
    stepsPeakBytes: number
    peakBytes: number
    memory: { text: string; needBytes: number; availableBytes: number }
  } | null
}

let script: string | null = null

/** Starts `train-child.ts`; `onStart` gets the process, to be killed from outside. */
export function spawnTrain(request: ChildRequest, onStart?: (child: ChildProcess) => void): Promise<ChildResult> {
  script ??= builtProgram(new URL('./train-child.ts', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(request)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => (stdout += String(chunk)))
  child.stderr.on('data', chunk => (stderr += String(chunk)))
  onStart?.(child)
  return new Promise(resolve =>
    child.on('close', (code, signal) =>
      resolve({ code, signal, stderr, result: stdout === '' ? null : (JSON.parse(stdout) as ChildResult['result']) }),
    ),
  )
}
