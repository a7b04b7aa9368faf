import { freemem } from 'node:os'
import type { Model } from '../model/model.js'
import type { Program } from '../tensor/program.js'
import { LabError } from '../util/errors.js'
import { formatBytes, formatTable } from '../util/format.js'
import type { TrainStep } from './step.js'

/** Bytes that this process is going to hold in a run, by what for. */
export interface MemoryEstimate {
  /** All weights on the device as they are stored; those of a base held beside the model too. */
  readonly weightBytes: number
  /** Moments and gradient accumulators of what is trained, and copies that updates need. */
  readonly optimizerBytes: number
  /** Activations and gradients at the worst moment of a step or a probe. */
  readonly activationBytes: number
  /** What the process holds besides: runtime, compiled programs, tokenizer, data on its way. */
  readonly otherBytes: number
  readonly totalBytes: number
}

export interface MemoryOptions {
  /** Programs that run beside the step and share its memory: the probes'. */
  others?: readonly Program[]
  /** A base that is held beside the model. */
  base?: Model | null
  /** Resident bytes of the process now, with all weights loaded and nothing trained yet. */
  residentBytes: number
  /** Of the weights, bytes that lie in files and are not yet in memory (default 0). */
  mappedBytes?: number
}

/** Growth of the two JavaScript heaps, copies of tensors on their way between threads, kernels' own scratch (measured: 20 to 60 MB). */
const RUNNING_BYTES = 40e6

/** Estimates the memory of a run from its compiled programs, before anything is run. */
export function estimateMemory(
  model: Model,
  step: TrainStep,
  { others = [], base = null, residentBytes, mappedBytes = 0 }: MemoryOptions,
): MemoryEstimate {
  const weightBytes = weightsOf(base ? [model, base] : [model])
  const specs = [...others, ...step.programs].map(program => program.lowered.spec)
  const working = model.engine.workingBytes(specs)
  const optimizerBytes = 4 * step.stateElements + working.spare
  const otherBytes = Math.max(0, residentBytes - (weightBytes - mappedBytes)) + working.programs + RUNNING_BYTES
  return {
    weightBytes,
    optimizerBytes,
    activationBytes: working.intermediate,
    otherBytes,
    totalBytes: weightBytes + optimizerBytes + working.intermediate + otherBytes,
  }
}

/** Device memory that several models share counts once. */
function weightsOf(models: readonly Model[]): number {
  const parts = models.flatMap(({ parameters }) => [...parameters.values()].flatMap(variable => variable.parts))
  return [...new Map(parts.map(part => [part.id, part.storedBytes])).values()].reduce((sum, bytes) => sum + bytes, 0)
}

/** The estimate as aligned text. */
export function memoryText(estimate: MemoryEstimate, availableBytes: number): string {
  const { weightBytes, optimizerBytes, activationBytes, otherBytes, totalBytes } = estimate
  const rows = [
    ['weights', formatBytes(weightBytes)],
    ['optimizer state', formatBytes(optimizerBytes)],
    ['activations and gradients', formatBytes(activationBytes)],
    ['runtime and data', formatBytes(otherBytes)],
    ['needed in all', formatBytes(totalBytes)],
    ['there is for this process', formatBytes(availableBytes)],
  ]
  return formatTable(['memory', ''], rows)
}

/**
 * Refuses a run that would not fit.
 * @throws LabError MEMORY with both sizes and what to change
 */
export function checkMemory(estimate: MemoryEstimate, availableBytes: number): void {
  if (estimate.totalBytes <= availableBytes) return
  throw new LabError(
    'MEMORY',
    `the run needs about ${formatBytes(estimate.totalBytes)}, there are ${formatBytes(availableBytes)} for this process: make batch.microBatch or data.seqLen smaller (activations ${formatBytes(estimate.activationBytes)}), set remat: always, frozenWeights: source or int4, train fewer parameters (optimizer ${formatBytes(estimate.optimizerBytes)}), or take a smaller model (weights ${formatBytes(estimate.weightBytes)})`,
  )
}

/** Bytes that this process can hold in all: what it holds, and what the machine and a limit on the process still give. */
export function availableMemoryBytes(residentBytes: number): number {
  const free = residentBytes + freemem()
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(free, limit) : free
}
