/** The work of a session's runs: the live model is trained where it is; nothing is loaded twice. */
import { stringify } from 'yaml'
import type { ExpansionPlan } from '../../expansion/plan.js'
import { readProvenance } from '../../expansion/provenance.js'
import { withoutNewBlocks } from '../../forgetting/reference.js'
import { checkDead } from '../../freeze/dead.js'
import { zeroProjections } from '../../freeze/zero-tensors.js'
import type { Model } from '../../model/model.js'
import { layerPrefix, splitLayerPath } from '../../model/parameters.js'
import type { Engine } from '../../tensor/engine.js'
import type { Recipe } from '../../train/recipe.js'
import { checkNoRun } from '../../train/run-directory.js'
import { LabError } from '../../util/errors.js'
import { heldWeights } from '../held-weights.js'
import { holdingRun } from '../hold-run.js'
import { recipeFiles } from '../recipe-files.js'
import { openRunData, type RunData } from '../run-data.js'
import type { RunResult } from '../run-events.js'
import { buildRunModel, type RunModel } from '../run-model.js'
import { saveResult } from '../save-result.js'
import { checkPrecision, trainRun } from '../train-run.js'
import { LiveModel } from './live-model.js'
import type { RunControl, TrainingRun } from './training-run.js'

type Work = (run: TrainingRun, control: RunControl) => Promise<RunResult>

/** Trains the live model. `modelDir`: where its weights are, or are to be written first. */
export function startWork(parts: { live: LiveModel; engine: Engine; device: string; modelDir: string }): Work {
  const { live, engine, device, modelDir } = parts
  return (run, control) =>
    holding(run, { engine, control }, async () => {
      checkNoRun(run.dir)
      if (modelDir !== live.source)
        await saveResult(modelDir, live.model, { companionsFrom: live.base, dtype: 'float32' })
      const build = async () => ({ live, built: await builtOf(live) })
      return train({ run, control, engine, device, tokenizerPath: live.base, build, resume: false })
    })
}

/** Builds the model of an interrupted run anew, hands it over as the live one, and goes on where the run was. */
export function resumeWork(parts: { engine: Engine; device: string; onLive: (live: LiveModel) => void }): Work {
  const { engine, device, onLive } = parts
  return (run, control) =>
    holding(run, { engine, control }, async () => {
      refuseAdapters(run.recipe)
      const { dir, tokenizerPath } = await recipeFiles(run.recipe, { events: run.events, signal: control.signal })
      const build = async ({ tokenizer }: RunData) => {
        const options = { tokenizer, signal: control.signal, resumed: run.dir }
        const built = await buildRunModel(run.recipe, dir, engine, options)
        const { model, trainable } = built
        const live = LiveModel.of(model, { base: dir ?? tokenizerPath, tokenizer, trainable })
        onLive(live)
        return { live, built }
      }
      return train({ run, control, engine, device, tokenizerPath, build, resume: true })
    })
}

/** A session's model is plain or expanded; one that carries an adapter would be saved as another than it is. */
function refuseAdapters({ method }: Recipe): void {
  if (method === 'lora' || method === 'moe')
    throw new LabError(
      'METHOD',
      `a session cannot continue a run of method "${method}"; continue it with: llama-pro train RECIPE --out RUN --resume, then load its model`,
    )
}

async function holding(
  run: TrainingRun,
  { engine, control }: { engine: Engine; control: RunControl },
  work: () => Promise<RunResult>,
): Promise<RunResult> {
  checkPrecision(run.recipe, engine)
  try {
    return await holdingRun(run.dir, () => {
      run.events.emit('resolved', { recipe: run.recipe, yaml: stringify(run.recipe) })
      run.events.emit('status', { message: 'opening probes and data' })
      return work()
    })
  } catch (error) {
    if (!control.signal.aborted || error !== control.signal.reason) throw error
    return stoppedBefore(run)
  }
}

/** The result of a run that was stopped while its data were opened. */
function stoppedBefore({ records, steps }: TrainingRun): RunResult {
  const { step, tokens, seconds } = records.at(-1) ?? { step: 0, tokens: 0, seconds: 0 }
  return { status: 'interrupted', step, tokens, seconds, steps, modelDir: null, probes: [], sources: [] }
}

interface TrainParts {
  run: TrainingRun
  control: RunControl
  engine: Engine
  device: string
  tokenizerPath: string
  /** The model as the run sees it, and the live model that it belongs to. */
  build: (data: RunData) => Promise<{ live: LiveModel; built: RunModel }>
  resume: boolean
}

async function train({ run, control, engine, device, tokenizerPath, build, resume }: TrainParts): Promise<RunResult> {
  const { recipe, dir, events } = run
  const resumed = resume ? dir : undefined
  const data = await openRunData(recipe, tokenizerPath, { events, signal: control.signal, resumed })
  let base: Model | null = null
  try {
    const { live, built } = await build(data)
    base = built.base
    events.on('record', ({ kind }) => {
      if (kind === 'train') live.isChanged = true
    })
    const parts = { engine, built, data, pinned: null, tokenizerPath, events }
    const result = await trainRun({ recipe, out: dir, resume, device, ...control }, parts)
    if (result.modelDir !== null) {
      live.source = result.modelDir
      live.plan = null
      live.isChanged = recipe.saveDtype !== 'float32'
    }
    return result
  } finally {
    base?.dispose()
    await data.dispose()
  }
}

/** The live model as a run sees it, with a copy of itself to compare with where its old weights will move. */
async function builtOf(live: LiveModel): Promise<RunModel> {
  const { model, plan, isChanged } = live
  const isFresh = plan !== null && !isChanged
  const provenance = readProvenance(model.config)
  const trainable = [...live.trainable]
  const frozen = [...model.parameters.keys()].filter(path => !live.trainable.has(path))
  const zeros = await zeroProjections(model, provenance, path => !live.trainable.has(path))
  const warnings = checkDead(trainable, provenance, zeros).map(warning => warning.message)
  const base = isFresh && live.trainsOnlyNew() ? null : await live.copy()
  const reference = base ? null : withoutNewBlocks(model)
  const held = heldWeights(model, isFresh ? path => pathBefore(plan, path) : undefined)
  return { model, base, reference, startsAsBase: true, source: null, trainable, frozen, warnings, quantized: [], held }
}

/** The path that a parameter had before an expansion; null for those of new blocks. */
function pathBefore({ layers }: ExpansionPlan, path: string): string | null {
  const split = splitLayerPath(path)
  if (!split) return path
  const { isNew, sourceLayer } = layers[split.layer]!
  return isNew ? null : layerPrefix(sourceLayer) + split.name
}
