import { freemem } from 'node:os'
import { peakActivationBytes, spareVariableBytes } from '../engines/memory.js'
import type { Model } from '../model/model.js'
import { sizeOf } from '../tensor/shape.js'
import { LabError } from '../util/errors.js'
import { formatBytes, formatTable } from '../util/format.js'
import type { TrainStep } from './step.js'

/** Bytes that a run is going to need, by what for. */
export interface MemoryEstimate {
  /** All weights as held, f32. */
  readonly weightBytes: number
  /** Moments and gradient accumulators of what is trained, and copies that updates need. */
  readonly optimizerBytes: number
  /** Activations and gradients alive at the worst moment of a step. */
  readonly activationBytes: number
  /** What the process holds besides: runtime, tokenizer, prefetched data, and a second base model where one is kept. */
  readonly otherBytes: number
  readonly totalBytes: number
}

/** onnxruntime's own memory, its packed copies and arena rounding, measured over the shapes of the benchmark. */
const RUNTIME_BYTES = 90e6

/** Estimates the memory of a run from its compiled programs, before anything is run. */
export function estimateMemory(
  model: Model,
  step: TrainStep,
  { otherBytes = 0 }: { otherBytes?: number } = {},
): MemoryEstimate {
  const weightBytes = 4 * [...model.parameters.values()].reduce((n, v) => n + sizeOf(v.shape), 0)
  const specs = step.programs.map(program => program.lowered.spec)
  const optimizerBytes = 4 * step.stateElements + specs.reduce((n, spec) => n + spareVariableBytes(spec), 0)
  const activationBytes = Math.max(...specs.map(peakActivationBytes))
  const other = otherBytes + RUNTIME_BYTES
  return {
    weightBytes,
    optimizerBytes,
    activationBytes,
    otherBytes: other,
    totalBytes: weightBytes + optimizerBytes + activationBytes + other,
  }
}

/** The estimate as aligned text. */
export function memoryText(estimate: MemoryEstimate, availableBytes: number): string {
  const { weightBytes, optimizerBytes, activationBytes, otherBytes, totalBytes } = estimate
  const rows = [
    ['weights (f32)', formatBytes(weightBytes)],
    ['optimizer state', formatBytes(optimizerBytes)],
    ['activations and gradients', formatBytes(activationBytes)],
    ['runtime and data', formatBytes(otherBytes)],
    ['needed in all', formatBytes(totalBytes)],
    ['free on this machine', formatBytes(availableBytes)],
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
    `the run needs about ${formatBytes(estimate.totalBytes)}, ${formatBytes(availableBytes)} are free: make batch.microBatch or data.seqLen smaller (activations ${formatBytes(estimate.activationBytes)}), set remat: always, train fewer parameters (optimizer ${formatBytes(estimate.optimizerBytes)}), or take a smaller model (weights ${formatBytes(estimate.weightBytes)})`,
  )
}

/** Bytes that this machine can still give. */
export function availableMemoryBytes(): number {
  return freemem()
}
