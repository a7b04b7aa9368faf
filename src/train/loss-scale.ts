/**
 * Dynamic loss scaling, which keeps small gradients within the range of f16 (Micikevicius et al., Mixed Precision Training,
 * arXiv 1710.03740, section 3.2). A step differentiates `scale * loss` and multiplies the gradients by `1 / scale`; the scale
 * is a power of two, so that this changes nothing but the exponents in between.
 */
import { LabError } from '../util/errors.js'

export interface LossScaling {
  /** The scale of the first step, a power of two. */
  readonly initial: number
  /** Steps in a row without an overflow after which the scale doubles. */
  readonly growthSteps: number
  /** The scale does not grow beyond this. */
  readonly max: number
}

export const defaultLossScaling: LossScaling = { initial: 2 ** 16, growthSteps: 2000, max: 2 ** 24 }

/** The scale does not fall below this, where it does nothing. */
export const MIN_LOSS_SCALE = 1

/** Where the scaling of a run stands; part of its checkpoints. */
export interface LossScaleState {
  /** What the next step multiplies its loss by. */
  readonly scale: number
  /** Steps without an overflow since the scale last changed. */
  readonly goodSteps: number
  /** Steps so far whose update was skipped. */
  readonly skippedSteps: number
}

/** @throws LabError LOSS_SCALE when the first scale is not a power of two from 1 to 2^127 */
export function firstLossScale({ initial }: LossScaling): LossScaleState {
  const exponent = Math.log2(initial)
  if (!Number.isInteger(exponent) || exponent < 0 || exponent > 127)
    throw new LabError(
      'LOSS_SCALE',
      `loss scaling: expected a power of two from 1 to 2^127 to start with, got ${initial}`,
    )
  return { scale: initial, goodSteps: 0, skippedSteps: 0 }
}

/** The state after a step: half the scale where it was skipped, twice the scale after `growthSteps` that were not. */
export function nextLossScale(
  { scale, goodSteps, skippedSteps }: LossScaleState,
  { isSkipped, scaling }: { isSkipped: boolean; scaling: LossScaling },
): LossScaleState {
  if (isSkipped) return { scale: Math.max(MIN_LOSS_SCALE, scale / 2), goodSteps: 0, skippedSteps: skippedSteps + 1 }
  if (goodSteps + 1 < scaling.growthSteps) return { scale, goodSteps: goodSteps + 1, skippedSteps }
  return { scale: Math.max(scale, Math.min(scaling.max, 2 * scale)), goodSteps: 0, skippedSteps }
}
