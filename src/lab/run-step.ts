/** The programs of a run: the optimizer step that fits into memory, and the evaluator of its probes. */
import { Evaluator } from '../forgetting/evaluator.js'
import { modelReference } from '../forgetting/reference.js'
import { defaultLossScaling } from '../train/loss-scale.js'
import { checkMemory, estimateMemory, type LoadedMemory, memoryText, roomFor } from '../train/memory-estimate.js'
import type { Recipe } from '../train/recipe.js'
import { TrainStep } from '../train/step.js'
import type { Emitter } from '../util/emitter.js'
import type { RunEvents } from './run-events.js'
import type { RunModel } from './run-model.js'

/** What a step has to fit into. */
export interface StepRoom {
  readonly events: Emitter<RunEvents>
  readonly loaded: LoadedMemory
  /** What the run may hold in all, in place of what is found to be free. */
  readonly memoryBytes?: number | undefined
}

/** Compiles the step, the caller's to dispose; with remat on `auto`, the variant that fits. @throws LabError MEMORY */
export async function makeStep(
  recipe: Recipe,
  { model, base, trainable }: RunModel,
  evaluator: Evaluator,
  { events, loaded, memoryBytes }: StepRoom,
): Promise<TrainStep> {
  // pages of files count as memory that is still free
  const room = roomFor(loaded, memoryBytes)
  const { availableBytes } = room
  const make = (rematBlocks: boolean) =>
    new TrainStep(model, trainable, {
      ...recipe.batch,
      seqLen: recipe.data.seqLen,
      optimizer: recipe.optimizer,
      rematBlocks,
      lossScaling: model.engine.precision === 'f16' ? defaultLossScaling : null,
    })
  const others = recipe.probes.length > 0 ? [evaluator.program] : []
  const estimateOf = (step: TrainStep) => estimateMemory(model, step, { others, base, loaded })
  let step = make(recipe.remat === 'always')
  let estimate = estimateOf(step)
  if (recipe.remat === 'auto' && estimate.totalBytes > availableBytes) {
    step.dispose()
    step = make(true)
    estimate = estimateOf(step)
    events.emit('warning', {
      message: 'activations would not fit: blocks are computed again in the backward pass (remat)',
    })
  }
  events.emit('memory', { text: memoryText(estimate, room), needBytes: estimate.totalBytes, availableBytes })
  try {
    checkMemory(estimate, room, model.engine)
    await step.load()
  } catch (error) {
    step.dispose()
    throw error
  }
  return step
}

/** Forgetting is measured against the base where there is one: in the model itself, or held beside it. */
export function evaluatorOf({ data }: Recipe, { model, base, reference }: RunModel): Evaluator {
  return new Evaluator(model, { seqLen: data.seqLen, base: base ? modelReference(base) : reference })
}

/** Scores the base where the model does not start as it, so that what the start alone has cost counts as forgotten too. */
export function startEvaluatorOf({ data }: Recipe, { model, reference, startsAsBase }: RunModel): Evaluator | null {
  if (startsAsBase || !reference) return null
  const { config, weights } = reference
  return new Evaluator({ config, weights, engine: model.engine }, { seqLen: data.seqLen })
}
