/**
 * A run on disk:  run.json (resolved recipe, versions, seeds, provenance), metrics.jsonl (append-only truth),
 * checkpoints/step-N/ (trainable tensors, optimizer, data state), model/ (the result, a Hugging Face directory), adapter/
 * (a LoRA run's factors, for PEFT).
 */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { readSafetensors, readTensor, tensorSource } from '../checkpoint/read.js'
import { type TensorEntry, writeSafetensors } from '../checkpoint/write.js'
import { writeDirectoryAtomic } from '../util/atomic-directory.js'
import { writeFileAtomic } from '../util/atomic-file.js'
import { LabError, messageOf } from '../util/errors.js'
import { clearLeftovers } from '../util/leftovers.js'
import { makeDirectories } from '../util/make-directories.js'
import type { LossScaleState } from './loss-scale.js'

/** What a checkpoint knows besides tensors. */
export interface CheckpointState {
  version: 1
  /** Optimizer steps done. */
  step: number
  /** Training tokens seen. */
  tokens: number
  /** Seconds since the run started. */
  seconds: number
  /** Hash of the resolved recipe; a resume under another recipe is refused. */
  recipeHash: string
  /** State of the loader after the last batch of that step. */
  data: unknown
  /** Of a run with loss scaling. */
  lossScale?: LossScaleState
}

export const metricsFile = 'metrics.jsonl'
export const runFile = 'run.json'
export const modelFolder = 'model'
/** Where a LoRA run leaves its factors beside the merged model. */
export const adapterFolder = 'adapter'

const checkpointPattern = /^step-(\d+)$/

/** Steps of the complete checkpoints of a run, ascending. A half-written one has another name until it is whole. */
export function checkpointSteps(runDir: string): number[] {
  const folder = join(runDir, 'checkpoints')
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .flatMap(name => checkpointPattern.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b)
}

/** @throws LabError RUN_EXISTS when a directory already holds a run */
export function checkNoRun(runDir: string): void {
  if (!existsSync(join(runDir, runFile))) return
  throw new LabError('RUN_EXISTS', `${runDir} already holds a run; continue it with --resume, or choose another --out`)
}

/** Makes a run directory with its run.json, or writes that anew. */
export function writeRun(runDir: string, info: Record<string, unknown>): void {
  makeDirectories(runDir)
  writeFileAtomic(join(runDir, runFile), `${JSON.stringify(info, null, 2)}\n`)
}

/** run.json of a run directory. @throws LabError RUN_MISSING */
export function readRun(runDir: string): Record<string, unknown> {
  const path = join(runDir, runFile)
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  } catch (cause) {
    throw new LabError('RUN_MISSING', `${runDir} is not a run directory: ${messageOf(cause)}`, { cause })
  }
}

/** Writes `checkpoints/step-N` under a temporary name, syncs and renames it, then drops all but the newest `keep`. */
export async function writeCheckpoint(
  runDir: string,
  state: CheckpointState,
  tensors: readonly TensorEntry[],
  { keep }: { keep: number },
): Promise<void> {
  const folder = join(runDir, 'checkpoints')
  makeDirectories(folder)
  const fill = async (dir: string) => {
    await writeSafetensors(join(dir, 'state.safetensors'), tensors)
    writeFileAtomic(join(dir, 'state.json'), `${JSON.stringify(state, null, 1)}\n`)
  }
  await writeDirectoryAtomic(join(folder, `step-${state.step}`), fill, { overwrite: true })
  pruneCheckpoints(runDir, keep)
}

/**
 * Makes the directory of a run that was killed as if it had ended between two checkpoints: half-written checkpoints and
 * results go, what was to be replaced comes back, and older checkpoints than the newest `keep` go. Only for the process that continues the run.
 */
export function tidyRun(runDir: string, { keep }: { keep: number }): void {
  for (const dir of [runDir, join(runDir, 'checkpoints')]) clearLeftovers(dir)
  pruneCheckpoints(runDir, keep)
}

function pruneCheckpoints(runDir: string, keep: number): void {
  for (const step of checkpointSteps(runDir).slice(0, -keep)) {
    rmSync(join(runDir, 'checkpoints', `step-${step}`), { recursive: true })
  }
}

export interface LoadedCheckpoint {
  readonly state: CheckpointState
  /** Names of the stored tensors. */
  readonly names: readonly string[]
  /** Elements of one tensor as f32. */
  read(name: string): Promise<Float32Array>
}

/**
 * The newest complete checkpoint, or null when there is none yet.
 * @throws LabError CHECKPOINT when it is damaged or of another version; an older one is never taken unasked
 */
export async function readCheckpoint(runDir: string): Promise<LoadedCheckpoint | null> {
  const steps = checkpointSteps(runDir)
  const step = steps.at(-1)
  if (step === undefined) return null
  const folder = join(runDir, 'checkpoints', `step-${step}`)
  try {
    const state = parseState(readFileSync(join(folder, 'state.json'), 'utf8'), step)
    const file = await readSafetensors(join(folder, 'state.safetensors'))
    const read = async (name: string) => {
      const bytes = await readTensor(tensorSource(file, name))
      return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
    }
    return { state, names: [...file.tensors.keys()], read }
  } catch (cause) {
    const earlier = steps.at(-2)
    const next = earlier === undefined ? 'begin the run again' : `go on from step ${earlier}`
    throw new LabError(
      'CHECKPOINT',
      `the newest checkpoint of the run cannot be read: ${folder}: ${messageOf(cause)}; remove ${folder} to ${next}`,
      { cause },
    )
  }
}

function parseState(text: string, step: number): CheckpointState {
  let state: Partial<CheckpointState> | null
  try {
    state = JSON.parse(text) as Partial<CheckpointState> | null
  } catch (cause) {
    throw new LabError('CHECKPOINT', `state.json is not JSON: ${messageOf(cause)}`, { cause })
  }
  if (state?.version !== 1)
    throw new LabError('CHECKPOINT', `state.json: expected version 1, got ${JSON.stringify(state?.version)}`)
  if (state.step !== step) throw new LabError('CHECKPOINT', `state.json: expected step ${step}, got ${state.step}`)
  return state as CheckpointState
}
