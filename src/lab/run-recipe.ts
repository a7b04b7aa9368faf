/** A recipe from beginning to end: model, data, probes, training, result. What `llama-pro train` runs. */
import { stringify } from 'yaml'
import type { Recipe } from '../train/recipe.js'
import { checkNoRun } from '../train/run-directory.js'
import { Emitter } from '../util/emitter.js'
import { createEngine, type EngineOptions } from './engines.js'
import { holdingRun } from './hold-run.js'
import { recipeFiles } from './recipe-files.js'
import { openRunData, type RunData } from './run-data.js'
import type { RunEvents, RunResult } from './run-events.js'
import { buildRunModel } from './run-model.js'
import { trainRun } from './train-run.js'

export interface RunOptions extends Omit<EngineOptions, 'precision'> {
  recipe: Recipe
  /** Run directory; must not hold a run unless `resume` is set. */
  out: string
  /** Continue from the newest checkpoint (default false). */
  resume?: boolean
  device?: string
  /** Bytes that the run may hold in all; default what is found to be free. It is refused when it needs more. */
  memoryBytes?: number
  /** Write TensorBoard event files to `tensorboard/` of the run (default false). */
  tensorboard?: boolean
  /** When it aborts, the current step ends, a checkpoint is written and the result says `interrupted`. */
  signal?: AbortSignal
  events?: Emitter<RunEvents>
}

/** Runs a recipe. Everything it starts is stopped again, however it ends. */
export async function runRecipe(options: RunOptions): Promise<RunResult> {
  const { recipe, out, resume = false, device = 'cpu', tensorboard = false, memoryBytes, signal } = options
  const events = options.events ?? new Emitter<RunEvents>()
  return holdingRun(out, async () => {
    if (!resume) checkNoRun(out)
    events.emit('resolved', { recipe, yaml: stringify(recipe) })
    const engine = createEngine(device, { ...options, precision: recipe.precision })
    let data: RunData | null = null
    try {
      events.emit('status', { message: 'opening probes and data' })
      const { dir, pinned, tokenizerPath } = await recipeFiles(recipe, { events, signal })
      const resumed = resume ? out : undefined
      data = await openRunData(recipe, tokenizerPath, { events, signal, resumed })
      events.emit('status', { message: 'loading the model' })
      const built = await buildRunModel(recipe, dir, engine, { tokenizer: data.tokenizer, signal, resumed })
      const parts = { engine, built, data, pinned, tokenizerPath, events }
      const run = { recipe, out, resume, device, tensorboard, memoryBytes, ...(signal ? { signal } : {}) }
      return await trainRun(run, parts)
    } finally {
      await data?.dispose()
      await engine.dispose()
    }
  })
}
