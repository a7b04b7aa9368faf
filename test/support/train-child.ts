/**
 * Runs a recipe in a process of its own: `train-child.ts '{"recipe": {...}, "out": "...", ...}'`; prints one JSON line. With
 * `dieAt` it kills itself with SIGKILL at that point, which nothing in the process can notice or clean up after.
 */
import fs from 'node:fs'
import { open } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { runRecipe } from '../../src/lab/run-recipe.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { Emitter } from '../../src/util/emitter.js'

/** Where to die. Steps are those of the record or checkpoint under way. */
export type DeathPoint =
  /** After the train record of this step is written. */
  | { at: 'record'; step: number }
  /** When half of this step's train record is in metrics.jsonl. */
  | { at: 'torn-line'; step: number }
  /** After this many writes of the checkpoint's tensors. */
  | { at: 'checkpoint-write'; step: number; writes: number }
  /** The temporary directory of the checkpoint is whole but has no name yet. */
  | { at: 'before-rename'; step: number }
  /** The checkpoint has its name, older ones are not yet removed. */
  | { at: 'after-rename'; step: number }
  /** After the last checkpoint, in the middle of writing the result. */
  | { at: 'result-write'; writes: number }

export interface ChildRequest {
  recipe: Record<string, unknown>
  out: string
  resume?: boolean
  threads?: number
  memoryBytes?: number
  dieAt?: DeathPoint
  /** Abort, as Ctrl-C does, after the train record of this step. */
  abortAt?: number
}

function die(): never {
  process.kill(process.pid, 'SIGKILL')
  throw new Error('unreachable')
}

type Events = Parameters<typeof runRecipe>[0]['events']

function armRenames(step: number, when: 'before-rename' | 'after-rename'): void {
  const rename = fs.renameSync
  fs.renameSync = (from, to) => {
    const isCheckpoint = String(to).endsWith(`step-${step}`)
    if (isCheckpoint && when === 'before-rename') die()
    rename(from, to)
    if (isCheckpoint) die()
  }
  syncBuiltinESMExports()
}

function armTornLine(step: number): void {
  const write = fs.writeSync as (fd: number, bytes: Uint8Array, offset?: number) => number
  const torn = (fd: number, bytes: Uint8Array, offset = 0) => {
    const line = new TextDecoder().decode(bytes)
    if (!line.startsWith('{"kind":"train"') || !line.includes(`"step":${step},`)) return write(fd, bytes, offset)
    write(fd, bytes.subarray(0, Math.floor(bytes.length / 2)))
    return die()
  }
  fs.writeSync = torn as typeof fs.writeSync
  syncBuiltinESMExports()
}

/** Dies at a write through a file handle after `isArmed` has become true. */
async function armWrites(writes: number, isArmed: () => boolean): Promise<void> {
  const handle = await open(process.execPath)
  const prototype = Object.getPrototypeOf(handle) as { write: (...args: unknown[]) => Promise<unknown> }
  await handle.close()
  const { write } = prototype
  let left = writes
  prototype.write = function (...args: unknown[]) {
    if (isArmed() && left-- === 0) die()
    return write.apply(this, args)
  }
}

async function arm(point: DeathPoint, events: NonNullable<Events>, out: string): Promise<void> {
  if (point.at === 'record')
    events.on('record', record => {
      if (record.kind === 'train' && record.step === point.step) die()
    })
  else if (point.at === 'torn-line') armTornLine(point.step)
  else if (point.at === 'checkpoint-write') {
    const prefix = `.step-${point.step}.tmp`
    const isUnderWay = () =>
      fs.existsSync(`${out}/checkpoints`) && fs.readdirSync(`${out}/checkpoints`).some(name => name.startsWith(prefix))
    await armWrites(point.writes, isUnderWay)
  } else if (point.at === 'result-write') {
    let isSaving = false
    events.on('status', ({ message }) => (isSaving ||= message.startsWith('saving')))
    await armWrites(point.writes, () => isSaving)
  } else armRenames(point.step, point.at)
}

async function main(): Promise<void> {
  const request = JSON.parse(process.argv[2]!) as ChildRequest
  const { out, resume = false, threads = 1, memoryBytes, dieAt, abortAt } = request
  const events: NonNullable<Events> = new Emitter()
  const controller = new AbortController()
  let stepsPeakBytes = 0
  events.on('record', record => {
    if (record.kind !== 'train') return
    stepsPeakBytes = peakRss()
    if (record.step === abortAt) controller.abort()
  })
  let memory = null
  events.on('memory', event => (memory = event))
  if (dieAt) await arm(dieAt, events, out)
  const recipe = parseRecipe(request.recipe)
  const limit = memoryBytes === undefined ? {} : { memoryBytes }
  const result = await runRecipe({ recipe, out, resume, threads, ...limit, signal: controller.signal, events })
  const { status, step } = result
  process.stdout.write(`${JSON.stringify({ status, step, stepsPeakBytes, peakBytes: peakRss(), memory })}\n`)
}

function peakRss(): number {
  return process.resourceUsage().maxRSS * 1024
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
})
