/** The local files of the model and the tokenizer that a recipe names. */
import { isHubAddress } from '../checkpoint/hub-address.js'
import { type HubProgress, resolveModel, resolveModelMetadata } from '../checkpoint/hub-download.js'
import type { Recipe } from '../train/recipe.js'
import type { Emitter } from '../util/emitter.js'
import { internal } from '../util/errors.js'
import type { RunEvents } from './run-events.js'

export interface RecipeFiles {
  /** Directory of the base; null for a model that starts from random weights. */
  readonly dir: string | null
  /** The base's address on the hub with its commit; null for a local one. */
  readonly pinned: string | null
  /** Directory or file of the tokenizer. */
  readonly tokenizerPath: string
}

/**
 * Finds what a recipe names; what is on the hub is downloaded first, of a tokenizer only the small files.
 * @throws LabError of the hub; the signal's reason when aborted
 */
export async function recipeFiles(
  { model, tokenizer }: Recipe,
  { events, signal }: { events: Emitter<RunEvents>; signal?: AbortSignal | undefined },
): Promise<RecipeFiles> {
  const options = signal ? { signal } : {}
  const onProgress = ({ bytes, totalBytes }: HubProgress) =>
    events.emit('progress', { label: `downloading ${model}`, done: bytes, total: totalBytes, unit: 'bytes' })
  const base =
    model !== undefined && isHubAddress(model) ? await resolveModel(model, { ...options, onProgress }) : undefined
  const dir = base?.directory ?? model ?? null
  const named = tokenizer !== undefined && isHubAddress(tokenizer)
  const own = named ? (await resolveModelMetadata(tokenizer, options)).directory : tokenizer
  const tokenizerPath = own ?? dir
  if (tokenizerPath === null) throw internal('a recipe with neither model nor tokenizer')
  return { dir, pinned: base?.pinned ?? null, tokenizerPath }
}
