/** The recipe of a run that a session starts: what the live model is, and what was asked for. */
import { join, resolve } from 'node:path'
import { loadRecipe, parseRecipe, type Recipe } from '../../train/recipe.js'
import { LabError } from '../../util/errors.js'
import { packageRoot } from '../../util/package.js'
import type { LiveModel } from './live-model.js'

/** What may be said of a run; the rest comes from the session and from defaults. */
export interface TrainOptions {
  /** Of the run directory below `runsDir` (default `expansion` or `full`); numbered when it is taken: `name-2`. */
  name?: string
  /** Optimizer steps (default 40 for the demo, else 100). */
  steps?: number
  /** Peak learning rate per step. */
  lr?: number
  /** Tokens a row. */
  seqLen?: number
  /** Rows computed at once. */
  microBatch?: number
  /** Micro-batches an optimizer step. */
  gradAccumSteps?: number
  /** Optimizer steps between measurements of the probes. */
  probeEverySteps?: number
  checkpointEverySteps?: number
  /** Of the data order. */
  seed?: number
  /** A recipe file, of which model, expansion and what is trained are left out; or fields of a recipe other than those. */
  recipe?: string | Record<string, unknown>
}

export interface SourceSpec {
  manifest: string
  weight: number
  subset?: string
}

export interface ProbeSpec {
  name: string
  manifest: string
  maxTokens?: number
  /** Only the beginnings of documents (default: all of them). */
  maxDocumentBytes?: number
}

export interface SessionRecipeParts {
  live: LiveModel
  /** Directory of the weights that the run starts from. */
  modelDir: string
  sources: readonly SourceSpec[]
  probes: readonly ProbeSpec[]
  options: TrainOptions
  /** Whether the model is that of the demo, whose recipe then gives the defaults. */
  isDemo: boolean
  cwd: string
}

/** Parts of a recipe that a session decides by itself. */
const ownKeys = ['model', 'init', 'tokenizer', 'method', 'expansion', 'train', 'frozenWeights'] as const

/** @throws LabError RECIPE as for a recipe file */
export function sessionRecipe(parts: SessionRecipeParts): Recipe {
  const { live, modelDir, sources, probes, options, cwd } = parts
  const { name, steps, lr, seqLen, microBatch, gradAccumSteps, probeEverySteps, checkpointEverySteps, seed } = options
  const base = defaults(parts)
  const given = fieldsOf(options.recipe, cwd)
  const from = given['data'] as Recipe['data'] | undefined
  const value = {
    ...base,
    ...given,
    ...defined({ name, steps, probeEverySteps, checkpointEverySteps, seed }),
    model: modelDir,
    ...methodOf(live),
    train: live.trainRules(),
    data: { ...base.data, ...from, sources: from?.sources ?? sources, ...defined({ seqLen }) },
    optimizer: { ...base.optimizer, ...(given['optimizer'] as object | undefined), ...defined({ lr }) },
    batch: { ...base.batch, ...(given['batch'] as object | undefined), ...defined({ microBatch, gradAccumSteps }) },
    probes: given['probes'] ?? probes,
  }
  return parseRecipe(value, { origin: 'the session', baseDir: cwd })
}

function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>
}

/** A first expansion since the weights were read is told by its plan; everything else trains the weights as they are. */
function methodOf({ plan, isChanged }: LiveModel): Pick<Recipe, 'method'> & { expansion?: object } {
  if (plan === null || isChanged) return { method: 'full' }
  if (plan.placement === 'at')
    return { method: 'expansion', expansion: { at: plan.layers.filter(l => l.isNew).map(l => l.layer) } }
  const { groups, copies, placement } = plan
  return { method: 'expansion', expansion: { groups, copies, placement } }
}

interface Defaults {
  data: Partial<Recipe['data']>
  optimizer: object
  batch: object
}

function defaults({ isDemo, live }: SessionRecipeParts): Defaults & Record<string, unknown> {
  // bits that the weights do not lose: a second run starts from exactly what the first one ended with
  const common = { saveDtype: 'float32' }
  if (isDemo) {
    const recipe = loadRecipe(join(packageRoot(), 'datasets', 'recipes', 'demo.yaml'))
    return { ...withoutOwn(recipe), ...common, data: recipe.data, optimizer: recipe.optimizer, batch: recipe.batch }
  }
  const seqLen = Math.min(256, live.model.config.maxPositionEmbeddings)
  return {
    ...common,
    steps: 100,
    seed: 1234,
    probeEverySteps: 20,
    data: { seqLen },
    optimizer: {},
    batch: { microBatch: 4 },
  }
}

function fieldsOf(recipe: TrainOptions['recipe'], cwd: string): Record<string, unknown> {
  if (recipe === undefined) return {}
  if (typeof recipe === 'string') return fieldsOfFile(resolve(cwd, recipe))
  const own = ownKeys.filter(key => key in recipe)
  if (own.length === 0) return recipe
  throw new LabError(
    'RECIPE',
    `the session: ${own.join(', ')} cannot be given, the live model decides it: lab.load, lab.expand, lab.freeze and lab.unfreeze`,
  )
}

/** A file tells its model too; what is left of it is what a session can follow. */
function fieldsOfFile(path: string): Record<string, unknown> {
  const recipe = loadRecipe(path)
  if (recipe.method === 'lora' || recipe.method === 'moe')
    throw new LabError(
      'RECIPE',
      `${path}: a session trains its live model, which has no ${recipe.method} parts; run it with: llama-pro train ${path} --out RUN`,
    )
  return withoutOwn(recipe)
}

function withoutOwn(recipe: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(recipe).filter(([key]) => !(ownKeys as readonly string[]).includes(key)))
}
