/** A recipe from beginning to end: model, data, probes, training, result. What `llama-pro train` runs. */
import { stringify } from 'yaml'
import { isHubAddress } from '../checkpoint/hub-address.js'
import { resolveModel } from '../checkpoint/hub-download.js'
import type { Recipe } from '../train/recipe.js'
import { checkNoRun } from '../train/run-directory.js'
import { Emitter } from '../util/emitter.js'
import { createEngine } from './engines.js'
import { holdingRun } from './hold-run.js'
import { openRunData, type RunData } from './run-data.js'
import type { RunEvents, RunResult } from './run-events.js'
import { buildRunModel } from './run-model.js'
import { checkPrecision, trainRun } from './train-run.js'

export interface RunOptions {
  recipe: Recipe
  /** Run directory; must not hold a run unless `resume` is set. */
  out: string
  /** Continue from the newest checkpoint (default false). */
  resume?: boolean
  device?: string
  threads?: number
  /** When it aborts, the current step ends, a checkpoint is written and the result says `interrupted`. */
  signal?: AbortSignal
  events?: Emitter<RunEvents>
}

/** Runs a recipe. Everything it starts is stopped again, however it ends. */
export async function runRecipe(options: RunOptions): Promise<RunResult> {
  const { recipe, out, resume = false, device = 'cpu', threads, signal, events = new Emitter<RunEvents>() } = options
  checkPrecision(recipe, device)
  return holdingRun(out, async () => {
    if (!resume) checkNoRun(out)
    events.emit('resolved', { recipe, yaml: stringify(recipe) })
    const engine = createEngine(device, threads === undefined ? {} : { threads })
    let data: RunData | null = null
    try {
      events.emit('status', { message: 'opening probes and data' })
      const { dir, pinned } = await modelDirectory(recipe)
      const tokenizerPath = recipe.tokenizer ?? dir!
      data = await openRunData(recipe, tokenizerPath, events)
      events.emit('status', { message: 'loading the model' })
      const built = await buildRunModel(recipe, dir, engine, data.tokenizer)
      const parts = { engine, built, data, pinned, tokenizerPath, events }
      return await trainRun({ recipe, out, resume, device, ...(signal ? { signal } : {}) }, parts)
    } finally {
      await data?.dispose()
      await engine.dispose()
    }
  })
}

/** The base's directory, downloaded first where it is on the hub, and the address pinned to its commit. */
export async function modelDirectory({ model }: Recipe): Promise<{ dir: string | null; pinned: string | null }> {
  if (model === undefined) return { dir: null, pinned: null }
  if (!isHubAddress(model)) return { dir: model, pinned: null }
  const { directory, pinned } = await resolveModel(model)
  return { dir: directory, pinned }
}
