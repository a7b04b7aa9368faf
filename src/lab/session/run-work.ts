/** The work of a session's runs: the live model is trained where it is; nothing is loaded twice. */
import { stringify } from 'yaml'
import { readProvenance } from '../../expansion/provenance.js'
import { gatedReference } from '../../forgetting/reference.js'
import { checkDead } from '../../freeze/dead.js'
import type { Engine } from '../../tensor/engine.js'
import type { Recipe } from '../../train/recipe.js'
import { checkNoRun } from '../../train/run-directory.js'
import { LabError } from '../../util/errors.js'
import { holdingRun } from '../hold-run.js'
import { openRunData, type RunData } from '../run-data.js'
import type { RunResult } from '../run-events.js'
import { buildRunModel, type RunModel } from '../run-model.js'
import { modelDirectory } from '../run-recipe.js'
import { saveResult } from '../save-result.js'
import { checkPrecision, trainRun } from '../train-run.js'
import { LiveModel } from './live-model.js'
import type { RunControl, TrainingRun } from './training-run.js'

type Work = (run: TrainingRun, control: RunControl) => Promise<RunResult>

/** Trains the live model. `modelDir`: where its weights are, or are to be written first. */
export function startWork(parts: { live: LiveModel; engine: Engine; device: string; modelDir: string }): Work {
  const { live, engine, device, modelDir } = parts
  return (run, control) =>
    holding(run, device, async () => {
      checkNoRun(run.dir)
      if (modelDir !== live.source)
        await saveResult(modelDir, live.model, { companionsFrom: live.base, dtype: 'float32' })
      const data = await openRunData(run.recipe, live.base, run.events)
      return train({ run, control, live, engine, device, data, built: await builtOf(live), resume: false })
    })
}

/** Builds the model of an interrupted run anew, hands it over as the live one, and goes on where the run was. */
export function resumeWork(parts: { engine: Engine; device: string; onLive: (live: LiveModel) => void }): Work {
  const { engine, device, onLive } = parts
  return (run, control) =>
    holding(run, device, async () => {
      refuseAdapters(run.recipe)
      const { dir } = await modelDirectory(run.recipe)
      const base = run.recipe.tokenizer ?? dir!
      const data = await openRunData(run.recipe, base, run.events)
      const built = await buildRunModel(run.recipe, dir, engine, data.tokenizer)
      const live = LiveModel.of(built.model, {
        base: dir ?? base,
        tokenizer: data.tokenizer,
        trainable: built.trainable,
      })
      onLive(live)
      return train({ run, control, live, engine, device, data, built, resume: true })
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

function holding(run: TrainingRun, device: string, work: () => Promise<RunResult>): Promise<RunResult> {
  checkPrecision(run.recipe, device)
  return holdingRun(run.dir, () => {
    run.events.emit('resolved', { recipe: run.recipe, yaml: stringify(run.recipe) })
    run.events.emit('status', { message: 'opening probes and data' })
    return work()
  })
}

interface TrainParts {
  run: TrainingRun
  control: RunControl
  live: LiveModel
  engine: Engine
  device: string
  data: RunData
  built: RunModel
  resume: boolean
}

async function train({ run, control, live, engine, device, data, built, resume }: TrainParts): Promise<RunResult> {
  const { recipe, dir, events } = run
  events.on('record', ({ kind }) => {
    if (kind === 'train') live.isChanged = true
  })
  try {
    const parts = { engine, built, data, pinned: null, tokenizerPath: live.base, events }
    const result = await trainRun({ recipe, out: dir, resume, device, ...control }, parts)
    if (result.modelDir !== null) {
      live.source = result.modelDir
      live.plan = null
      live.isChanged = recipe.saveDtype !== 'float32'
    }
    return result
  } finally {
    built.base?.dispose()
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
  const warnings = checkDead(trainable, isFresh ? provenance : null).map(warning => warning.message)
  const base = isFresh && live.trainsOnlyNew() ? null : await live.copy()
  const reference = base ? null : gatedReference(model)
  return { model, base, reference, startsAsBase: true, source: null, trainable, frozen, warnings, quantized: [] }
}
