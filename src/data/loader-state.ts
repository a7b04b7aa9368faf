import { z } from 'zod'
import { sha256 } from '../util/canonical-json.js'
import { LabError } from '../util/errors.js'
import { DOCUMENT_FAULTS, SHARD_FAULTS } from './fault.js'
import { FILTER_REASONS } from './filter.js'

const counts = <Key extends string>(keys: readonly Key[]) => z.partialRecord(z.enum(keys), z.int().nonnegative())
const position = z.strictObject({
  record: z.int().nonnegative(),
  byte: z.int().nonnegative().optional(),
  restart: z.tuple([z.int().nonnegative(), z.int().nonnegative()]).optional(),
})
const skip = z.strictObject({ record: z.int().nonnegative(), reason: z.enum(SHARD_FAULTS) })
const counters = z.strictObject({
  documents: z.int().nonnegative(),
  excluded: z.int().nonnegative(),
  filtered: counts(FILTER_REASONS),
  badDocuments: counts(DOCUMENT_FAULTS),
  badShards: counts(SHARD_FAULTS),
})
const documents = z.strictObject({
  epoch: z.int().nonnegative(),
  shard: z.int().nonnegative(),
  position,
  epochDocuments: z.int().nonnegative(),
  counters,
  skips: z.record(z.string(), skip),
})
const source = z.strictObject({
  name: z.string(),
  manifestHash: z.string(),
  weight: z.number().positive(),
  /** Tokens that the mix had taken from the source before the document at the head of the next row. */
  tokensMixed: z.int().nonnegative(),
  /** Targets served from the source. */
  tokensServed: z.int().nonnegative(),
  shuffle: z.strictObject({
    start: documents,
    window: z.int().nonnegative(),
    taken: z.int().nonnegative(),
    counters: counters.optional(),
  }),
})

const loaderState = z.strictObject({
  version: z.literal(1),
  seed: z.int(),
  windowDocs: z.int().positive(),
  windowBytes: z.int().positive(),
  tokenizerHash: z.string(),
  bosTokenId: z.int().nullable(),
  eosTokenId: z.int().nullable(),
  excludeHash: z.string(),
  /** Tokens of the head document that lie before the next row. */
  tokenOffset: z.int().nonnegative(),
  sources: z.array(source).min(1),
})

/**
 * The position of a data stream, as JSON of some hundred bytes a source. It holds no tokens and no documents: the next row begins
 * `tokenOffset` tokens into the document that the mix gives next from the stored positions.
 */
export type LoaderState = z.infer<typeof loaderState>

/** What a state must agree with, because the order follows from it. */
export type LoaderIdentity = Omit<LoaderState, 'version' | 'tokenOffset' | 'sources'> & {
  sources: { name: string; manifestHash: string; weight: number }[]
}

/** Identifies a set of excluded documents whatever its order. */
export function excludeHashOf(hashes: ReadonlySet<string> | undefined): string {
  return hashes?.size ? sha256([...hashes].sort()) : 'none'
}

/**
 * Checks that a state (JSON of any origin) was written by a loader with the same order.
 * @throws LabError `LOADER_STATE` naming what differs, with both values
 */
export function checkLoaderState(value: unknown, identity: LoaderIdentity): LoaderState {
  const result = loaderState.safeParse(value)
  if (!result.success) {
    const first = result.error.issues[0]!
    throw new LabError(
      'LOADER_STATE',
      `not a data state of version 1: ${first.path.join('.') || 'the value'}: ${first.message}`,
    )
  }
  const state = result.data
  const names = (sources: { name: string }[]) => sources.map(s => s.name).join(', ')
  compare('sources', names(state.sources), names(identity.sources))
  for (const [i, { name, manifestHash, weight }] of identity.sources.entries()) {
    compare(
      `manifest hash of ${name} (files, their sizes, text field or filters)`,
      state.sources[i]!.manifestHash,
      manifestHash,
    )
    compare(`weight of ${name}`, state.sources[i]!.weight, weight)
  }
  compare('tokenizer hash', state.tokenizerHash, identity.tokenizerHash)
  for (const key of ['bosTokenId', 'eosTokenId', 'seed', 'windowDocs', 'windowBytes'] as const)
    compare(key, state[key], identity[key])
  compare('hash of the excluded documents', state.excludeHash, identity.excludeHash)
  return state
}

function compare(what: string, stored: unknown, now: unknown): void {
  if (stored === now) return
  throw new LabError(
    'LOADER_STATE',
    `the data state cannot be continued: ${what} was ${stored} when it was written and is ${now} now; restore it, or start the data anew without a state`,
  )
}
