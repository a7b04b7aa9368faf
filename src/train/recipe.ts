/** A recipe: everything that determines a training run, as YAML checked by a schema. Units are in the field docs. */
import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, resolve } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { sha256 } from '../util/canonical-json.js'
import { LabError, messageOf } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'
import {
  checkMethod,
  compareSchema,
  existingSchema,
  expansionSchema,
  loraSchema,
  methodNames,
  resolveMethod,
} from './method-options.js'

const positive = z.number().positive()
const count = z.number().int().positive()
const ratio = z.number().min(0).max(1)
/** Of a moving average: with 1 it would never move, and its correction divides by zero. */
const decay = z.number().min(0).lt(1)

const initSchema = z.strictObject({
  hiddenSize: count,
  intermediateSize: count,
  numHiddenLayers: count,
  numAttentionHeads: count,
  numKeyValueHeads: count,
  headDim: count,
  vocabSize: count,
  maxPositionEmbeddings: count,
  rmsNormEps: positive.default(1e-5),
  ropeTheta: positive.default(10000),
  tieWordEmbeddings: z.boolean().default(false),
})

const sourceSchema = z.strictObject({
  manifest: z.string(),
  /** Part of a manifest that has subsets. */
  subset: z.string().optional(),
  /** Relative share of the trained tokens. */
  weight: positive.default(1),
})

const dataSchema = z.strictObject({
  sources: z.array(sourceSchema).min(1),
  /** Tokens a row. */
  seqLen: count,
  /** Documents shuffled together. */
  windowDocs: count.default(2048),
  /** What a shard with bad content does; one that cannot be reached (network, disk, access) always stops the run. */
  onBadShard: z.enum(['error', 'warn', 'skip']).default('error'),
  onBadDocument: z.enum(['error', 'warn', 'skip']).default('error'),
})

const optimizerSchema = z.strictObject({
  /** Peak learning rate. The paper: 2e-4 for LLaMA2-7B, a tenth of it for Mistral-7B. */
  lr: positive.default(2e-4),
  betas: z.tuple([decay, decay]).default([0.9, 0.95]),
  eps: positive.default(1e-8),
  /** Decoupled, times the learning rate. */
  weightDecay: z.number().min(0).default(0.1),
  /** Largest global L2 norm of the gradient; null = no clipping. */
  clipNorm: positive.nullable().default(1),
})

const scheduleSchema = z.strictObject({
  kind: z.enum(['cosine', 'constant']).default('cosine'),
  warmupRatio: ratio.default(0.06),
  minLrRatio: ratio.default(0),
})

const batchSchema = z.strictObject({
  /** Rows computed at once. */
  microBatch: count.default(1),
  /** Micro-batches an optimizer step. */
  gradAccumSteps: count.default(1),
})

const probeSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]+$/, 'a name of letters, digits, ".", "_" and "-"'),
  manifest: z.string(),
  subset: z.string().optional(),
  /** Scored tokens at most. */
  maxTokens: count.default(16384),
  /** Bytes scored of each document at most (default: all), so that more documents fit. */
  maxDocumentBytes: count.optional(),
})

const recipeSchema = z.strictObject({
  name: z.string().default('run'),
  /** Base model: a directory relative to the recipe file, or `hf://owner/name@revision`. */
  model: z.string().optional(),
  /** Instead of `model`: a new Llama with random weights. */
  init: initSchema.optional(),
  /** Tokenizer directory or file; default: the model's own. Needed with `init`. */
  tokenizer: z.string().optional(),
  /**
   * `expansion`: new blocks trained, the base frozen. `full`: the base itself. `lora`: low-rank factors beside frozen
   * matrices. `existing`: some blocks of the base. `moe`: a second expert in every block, as the paper compares.
   */
  method: z.enum(methodNames),
  expansion: expansionSchema.optional(),
  lora: loraSchema.optional(),
  existing: existingSchema.optional(),
  compare: compareSchema.optional(),
  /** Rules for what is trained; default: `added` for expansion, `all` for full; the other methods choose themselves. */
  train: z.array(z.string()).optional(),
  /**
   * Arithmetic of matrix products; weights, moments, norms and the loss are f32. `bf16` is for the torch devices, `f16` for webgpu
   * on adapters with shader-f16: it trains with dynamic loss scaling.
   */
  precision: z.enum(['f32', 'bf16', 'f16']).default('f32'),
  /**
   * How matrices that are not trained are held. `f32`. `source`: as the checkpoint stores them, mapped from its files; the
   * run computes the same numbers as with f32, bit for bit. `int8`, `int4`: rounded by block when loaded, which changes the
   * numbers (the error is reported); the saved model has the original weights. `auto`: bf16 with `precision: bf16`, but for an
   * embedding that is stored otherwise; `source` for a checkpoint in 16 bits with more than 2 GB of weights in f32; else `f32`.
   */
  frozenWeights: z.enum(['auto', 'f32', 'source', 'int8', 'int4']).default('auto'),
  /** Recompute blocks in the backward pass: always, never, or when the estimate says that it would not fit otherwise. */
  remat: z.enum(['auto', 'always', 'never']).default('auto'),
  data: dataSchema,
  optimizer: optimizerSchema.prefault({}),
  schedule: scheduleSchema.prefault({}),
  batch: batchSchema.prefault({}),
  /** Optimizer steps. */
  steps: count,
  /** Of the data order, and of new weights. */
  seed: z.number().int(),
  probes: z.array(probeSchema).default([]),
  /** Optimizer steps between probes; they also run before the first step and after the last. */
  probeEverySteps: count.default(100),
  checkpointEverySteps: count.default(100),
  /** Newest checkpoints that are kept. */
  keepCheckpoints: count.default(2),
  /** Storage type of the saved model; `source` = as the base is stored. */
  saveDtype: z.enum(['source', 'float32', 'bfloat16', 'float16']).default('source'),
})

/** A checked recipe with every default filled in and every path absolute. */
export type Recipe = Omit<z.infer<typeof recipeSchema>, 'train'> & { train: string[] }

/** Known keys of each object of the schema, for the nearest match of an unknown one. */
const knownKeys: Record<string, readonly string[]> = {
  '': Object.keys(recipeSchema.shape),
  init: Object.keys(initSchema.shape),
  expansion: Object.keys(expansionSchema.shape),
  lora: Object.keys(loraSchema.shape),
  existing: Object.keys(existingSchema.shape),
  compare: Object.keys(compareSchema.shape),
  'compare.lora': Object.keys(loraSchema.shape),
  'compare.existing': Object.keys(existingSchema.shape),
  'compare.lr': Object.keys(compareSchema.shape.lr.unwrap().shape),
  data: Object.keys(dataSchema.shape),
  'data.sources': Object.keys(sourceSchema.shape),
  optimizer: Object.keys(optimizerSchema.shape),
  schedule: Object.keys(scheduleSchema.shape),
  batch: Object.keys(batchSchema.shape),
  probes: Object.keys(probeSchema.shape),
}

/**
 * Reads a recipe file.
 * @throws LabError RECIPE with the place and the nearest known key
 */
export function loadRecipe(path: string): Recipe {
  let value: unknown
  try {
    value = parse(readFileSync(path, 'utf8'))
  } catch (cause) {
    throw new LabError('RECIPE', `${path}: cannot be read as a recipe: ${messageOf(cause)}`, { cause })
  }
  return parseRecipe(value, { origin: path, baseDir: dirname(resolve(path)) })
}

/** Checks a recipe given as a value; relative paths start from `baseDir`. */
export function parseRecipe(
  value: unknown,
  { origin = 'recipe', baseDir = process.cwd() }: { origin?: string; baseDir?: string } = {},
): Recipe {
  const result = recipeSchema.safeParse(value, { reportInput: true })
  if (!result.success) throw new LabError('RECIPE', `${origin}: ${result.error.issues.map(describe).join('; ')}`)
  const recipe = result.data
  checkTogether(recipe, origin)
  const absolute = (path: string) => (path.startsWith('hf://') || isAbsolute(path) ? path : resolve(baseDir, path))
  const located = <T extends { manifest: string }>(item: T): T => ({ ...item, manifest: absolute(item.manifest) })
  return {
    ...resolveMethod(recipe),
    ...(recipe.model === undefined ? {} : { model: absolute(recipe.model) }),
    ...(recipe.tokenizer === undefined ? {} : { tokenizer: absolute(recipe.tokenizer) }),
    data: { ...recipe.data, sources: recipe.data.sources.map(located) },
    probes: recipe.probes.map(located),
  }
}

/**
 * SHA-256 of what a recipe asks for, without the places of model, tokenizer, data and probes: moving a folder with everything
 * in it leaves it as it is. What lies at those places has hashes of its own.
 */
export function recipeHash({ model: _model, tokenizer: _tokenizer, ...rest }: Recipe): string {
  const placeless = <T extends { manifest: string }>({ manifest: _, ...item }: T) => item
  const data = { ...rest.data, sources: rest.data.sources.map(placeless) }
  return sha256({ ...rest, data, probes: rest.probes.map(placeless) })
}

function checkTogether(recipe: z.infer<typeof recipeSchema>, origin: string): void {
  const fail = (message: string) => {
    throw new LabError('RECIPE', `${origin}: ${message}`)
  }
  if ((recipe.model === undefined) === (recipe.init === undefined)) fail('expected either "model" or "init"')
  if (recipe.init && recipe.frozenWeights !== 'auto' && recipe.frozenWeights !== 'f32')
    fail(`frozenWeights: ${recipe.frozenWeights} is for weights from a checkpoint; "init" makes new ones in f32`)
  if (recipe.init && recipe.tokenizer === undefined) fail('"init" needs "tokenizer": a directory or file')
  checkMethod(recipe, fail)
  if (recipe.init) checkInit(recipe.init, recipe.data.seqLen, fail)
  const names = recipe.probes.map(p => p.name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) fail(`probes: "${twice}" is listed twice`)
}

function checkInit(init: z.infer<typeof initSchema>, seqLen: number, fail: (message: string) => void): void {
  const { numAttentionHeads, numKeyValueHeads, headDim, maxPositionEmbeddings } = init
  if (numAttentionHeads % numKeyValueHeads !== 0)
    fail(`init: numAttentionHeads ${numAttentionHeads} is not a multiple of numKeyValueHeads ${numKeyValueHeads}`)
  if (headDim % 2 !== 0) fail(`init: headDim ${headDim} is not even, as the rotary embedding needs it`)
  if (seqLen > maxPositionEmbeddings)
    fail(`data.seqLen ${seqLen} is more than init.maxPositionEmbeddings ${maxPositionEmbeddings}`)
}

function describe(issue: z.core.$ZodIssue): string {
  const path = issue.path.map(String)
  if (issue.code === 'invalid_value' && typeof issue.input === 'string')
    return `${path.join('.')}: ${issue.message}.${didYouMean(issue.input, issue.values.map(String))}`
  if (issue.code !== 'unrecognized_keys') return `${path.join('.') || 'the recipe'}: ${issue.message}`
  const known = knownKeys[path.filter(part => !/^\d+$/.test(part)).join('.')] ?? []
  return issue.keys
    .map(key => `unknown key "${[...path, key].join('.')}".${didYouMean(key, known)} Known: ${known.join(', ')}`)
    .join('; ')
}
