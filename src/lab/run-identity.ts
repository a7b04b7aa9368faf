import { type Recipe, recipeHash } from '../train/recipe.js'
import { sha256 } from '../util/canonical-json.js'
import { LabError } from '../util/errors.js'
import { frozenDigest } from './frozen-digest.js'
import type { RunData } from './run-data.js'
import type { RunModel } from './run-model.js'

/**
 * What a run is computed from, by hashes: a run whose whole folder has moved is still the same run, and one whose files
 * were changed in place is not. Weights, tokenizer and probes are hashed by content; training data, which may be
 * terabytes, by the names and sizes of its files and by samples of them.
 */
export interface RunIdentity {
  /** {@link recipeHash}. */
  recipe: string
  /** SHA-256 over the weights that the run starts from. */
  model: string
  tokenizer: string
  /** SHA-256 over the documents of all probes. */
  probes: string
  /** Hash of every dataset by its name: file names, sizes, text field and filters. */
  sources: Record<string, string>
  /** Samples of the local files of every dataset by its name; absent in older runs. */
  samples?: Record<string, string>
}

/**
 * The identity of a run that is about to start or to be continued.
 * @param built with the weights that it starts from: before a checkpoint is read into it
 * @param frozen {@link frozenDigest} of the frozen tensors
 */
export async function runIdentity(
  recipe: Recipe,
  { model, trainable }: RunModel,
  data: RunData,
  { frozen, signal }: { frozen: string; signal?: AbortSignal | undefined },
): Promise<RunIdentity> {
  return {
    recipe: recipeHash(recipe),
    model: sha256([frozen, await frozenDigest(model, trainable, signal)]),
    tokenizer: data.tokenizer.hash,
    probes: sha256(data.probes.map(({ name, documentHashes }) => [name, [...documentHashes].sort()])),
    sources: Object.fromEntries(data.sources.map(({ name, hash }) => [name, hash])),
    samples: data.samples,
  }
}

const subjects: Record<keyof RunIdentity, string> = {
  recipe: 'recipe (its resolved form is in run.json)',
  model: 'base model',
  tokenizer: 'tokenizer',
  probes: 'text in its probes',
  sources: 'training data (its files are in run.json)',
  samples: 'text in the files of its training data',
}

/**
 * Checks that a run is continued with what it was started with.
 * @param known what run.json says, JSON of any origin
 * @throws LabError RESUME naming everything that differs
 */
export function checkIdentity(out: string, known: unknown, now: RunIdentity): void {
  const before = (known ?? {}) as Partial<RunIdentity>
  const keys = Object.keys(subjects) as (keyof RunIdentity)[]
  const isKnown = (key: keyof RunIdentity) => key !== 'samples' || before.samples !== undefined
  const differ = keys.filter(key => isKnown(key) && sha256(before[key] ?? null) !== sha256(now[key]))
  if (differ.length === 0) return
  const what = differ.map(key => subjects[key]).join(', another ')
  throw new LabError(
    'RESUME',
    `${out} was started with another ${what}; resume it with what it was started with, or choose another --out`,
  )
}
