import { freemem, totalmem } from 'node:os'
import type { Model } from '../model/model.js'
import type { Engine, EngineMemory } from '../tensor/engine.js'
import type { Program } from '../tensor/program.js'
import { LabError } from '../util/errors.js'
import { formatBytes, formatTable } from '../util/format.js'
import type { TrainStep } from './step.js'

/** What is held where a run computes, with all weights loaded and nothing of them read, and what more there can be. */
export interface LoadedMemory {
  readonly residentBytes: number
  /** Of the weights, bytes in files that are not in memory yet. */
  readonly mappedBytes: number
  /** What the device can still give; null where that is what this machine has at the time. */
  readonly freeBytes: number | null
  /** `for this process`, `on NVIDIA H200`. */
  readonly where: string
}

/** Bytes that are going to be held in a run, where it computes, by what for. */
export interface MemoryEstimate {
  /** All weights on the device as they are stored; those of a base held beside the model too. */
  readonly weightBytes: number
  /** Moments and gradient accumulators of what is trained, and copies that updates need. */
  readonly optimizerBytes: number
  /** Activations and gradients at the worst moment of a step or a probe. */
  readonly activationBytes: number
  /** What is held there besides: runtime, compiled programs, tokenizer, data on its way. */
  readonly otherBytes: number
  readonly totalBytes: number
}

export interface MemoryOptions {
  /** Programs that run beside the step and share its memory: the probes'. */
  others?: readonly Program[]
  /** A base that is held beside the model. */
  base?: Model | null
  loaded: LoadedMemory
}

/** Growth of the two JavaScript heaps, copies of tensors on their way between threads, kernels' own scratch (measured: 20 to 60 MB). */
const RUNNING_BYTES = 40e6

/** Estimates the memory of a run from its compiled programs, before anything is run. */
export function estimateMemory(
  model: Model,
  step: TrainStep,
  { others = [], base = null, loaded: { residentBytes, mappedBytes } }: MemoryOptions,
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
export function memoryText(estimate: MemoryEstimate, { availableBytes, where }: Room): string {
  const { weightBytes, optimizerBytes, activationBytes, otherBytes, totalBytes } = estimate
  const rows = [
    ['weights', formatBytes(weightBytes)],
    ['optimizer state', formatBytes(optimizerBytes)],
    ['activations and gradients', formatBytes(activationBytes)],
    ['runtime and data', formatBytes(otherBytes)],
    ['needed in all', formatBytes(totalBytes)],
    [`there is ${where}`, formatBytes(availableBytes)],
  ]
  return formatTable(['memory', ''], rows)
}

/**
 * Refuses a run that would not fit.
 * @param engine tells which storage of frozen weights would make it smaller
 * @throws LabError MEMORY with both sizes and what to change
 */
export function checkMemory(
  estimate: MemoryEstimate,
  { availableBytes, where }: Room,
  { widensHalf, nativeOps }: Pick<Engine, 'widensHalf' | 'nativeOps'>,
): void {
  if (estimate.totalBytes <= availableBytes) return
  const storage = [...(widensHalf ? [] : ['source']), ...(nativeOps.has('dequantize') ? ['int4'] : [])]
  const frozen = storage.length > 0 ? `, frozenWeights: ${storage.join(' or ')}` : ''
  throw new LabError(
    'MEMORY',
    `the run needs about ${formatBytes(estimate.totalBytes)}, there are ${formatBytes(availableBytes)} ${where}: make batch.microBatch or data.seqLen smaller (activations ${formatBytes(estimate.activationBytes)}), set remat: always${frozen}, train fewer parameters (optimizer ${formatBytes(estimate.optimizerBytes)}), take a smaller model (weights ${formatBytes(estimate.weightBytes)}), or say with --memory how much the run may hold if that is more`,
  )
}

/** What an engine tells of its memory, with the resident bytes of this process. */
export function loadedMemory({ mappedBytes = 0, elsewhere }: EngineMemory, processBytes: number): LoadedMemory {
  if (!elsewhere) return { residentBytes: processBytes, mappedBytes, freeBytes: null, where: 'for this process' }
  const { name, residentBytes, freeBytes } = elsewhere
  if (freeBytes !== undefined) return { residentBytes, mappedBytes, freeBytes, where: `on ${name}` }
  // two processes of one machine share what it has
  const both = processBytes + residentBytes
  return { residentBytes: both, mappedBytes, freeBytes: null, where: `for this process and ${name}` }
}

/** What can be held in all where a run computes. */
export interface Room {
  readonly availableBytes: number
  readonly where: string
}

/**
 * What is held already, and what the device, or the machine and a limit on the process, still give.
 * @param allowedBytes what the run may hold in all, by the user's word, in place of what is found
 */
export function roomFor({ residentBytes, freeBytes, where }: LoadedMemory, allowedBytes?: number): Room {
  if (allowedBytes !== undefined) return { availableBytes: allowedBytes, where: 'allowed for this run' }
  if (freeBytes !== null) return { availableBytes: residentBytes + freeBytes, where }
  // macOS counts as free only what holds nothing at all, a fraction of what it gives when asked. process.availableMemory() is
  // no better there, and in a container it counts the cached pages of files as taken
  const free = process.platform === 'darwin' ? totalmem() : residentBytes + freemem()
  const limit = process.constrainedMemory()
  return { availableBytes: limit > 0 ? Math.min(free, limit) : free, where }
}
