import type { ModelConfig } from '../model/config.js'
import { isRecord } from '../model/config-fields.js'
import { layerPrefix, parameterShapes, splitLayerPath } from '../model/parameters.js'
import { LabError } from '../util/errors.js'
import { isZeroedName } from './expand-parameters.js'
import { type ExpansionPlan, type Placement, placementOf } from './plan.js'

/** The key of config.json that holds the provenance; other tools keep it and ignore it. */
export const provenanceKey = 'llama_pro'

/** A block that an expansion made. */
export interface NewBlock {
  /** Its index in this model. */
  index: number
  /** The block that it was copied from, as an index in the base model. */
  source: number
  /** Paths in this model of the tensors that were zeros when the block was made. */
  zeroed: string[]
}

/** What one expansion did. */
export interface Expansion {
  version: 1
  /** Blocks of the base model, the one in which no block counts as new. */
  baseNumHiddenLayers: number
  /** Blocks after the expansion. */
  numHiddenLayers: number
  placement: Placement
  groups: number | null
  copies: number | null
  /** The new blocks, ascending. */
  layers: NewBlock[]
}

/** Which blocks of a model are new and where they come from; training selects new blocks by this, never by a stride. */
export interface Provenance extends Expansion {
  /** Earlier expansions of the same model, oldest first, each as it was written (indices of the model of its time). */
  history: Expansion[]
}

export interface ProvenanceOptions {
  /**
   * Count the new blocks of the given model's own expansion as new still, so that the base stays the model before it.
   * Default false: the given model is the base, and its blocks, old and trained, are all old.
   */
  keepEarlier?: boolean
}

function zeroedPaths(config: ModelConfig, layer: number): string[] {
  const names = [...parameterShapes({ ...config, numHiddenLayers: 1 }).keys()].map(path => splitLayerPath(path)?.name)
  return names.filter(name => name !== undefined && isZeroedName(name)).map(name => layerPrefix(layer) + name)
}

/** The index of every block of the given model in the base of its earlier expansion: itself, or what it was copied from. */
function sourcesInEarlierBase(earlier: Provenance): number[] {
  const copied = new Map(earlier.layers.map(block => [block.index, block.source]))
  let next = 0
  return Array.from({ length: earlier.numHiddenLayers }, (_, layer) => copied.get(layer) ?? next++)
}

/**
 * The provenance that expanding the model of `config` by `plan` gives. A model that was expanded before keeps the record
 * of it in `history`.
 */
export function provenanceOf(config: ModelConfig, plan: ExpansionPlan, options: ProvenanceOptions = {}): Provenance {
  const earlier = readProvenance(config)
  const kept = options.keepEarlier ? earlier : null
  const wasNew = new Set(kept?.layers.map(block => block.index))
  const sources = kept && sourcesInEarlierBase(kept)
  const layers = plan.layers
    .filter(block => block.isNew || wasNew.has(block.sourceLayer))
    .map(({ layer, sourceLayer }) => ({
      index: layer,
      source: sources ? sources[sourceLayer]! : sourceLayer,
      zeroed: zeroedPaths(config, layer),
    }))
  return {
    version: 1,
    baseNumHiddenLayers: kept?.baseNumHiddenLayers ?? plan.baseNumHiddenLayers,
    numHiddenLayers: plan.numHiddenLayers,
    placement: kept ? 'custom' : placementOf(plan),
    groups: kept ? null : plan.groups,
    copies: kept ? null : plan.copies,
    layers,
    history: earlier ? [...earlier.history, withoutHistory(earlier)] : [],
  }
}

function withoutHistory({ history: _, ...expansion }: Provenance): Expansion {
  return expansion
}

function corrupt(message: string): LabError {
  return new LabError(
    'PROVENANCE',
    `config.json: "${provenanceKey}" ${message} The record of the expansion was damaged or edited; restore it or expand the base model again.`,
  )
}

function isIndexBelow(value: unknown, limit: number): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value < limit
}

function checkExpansion(value: unknown): Expansion {
  if (!isRecord(value)) throw corrupt('is not an object.')
  if (value['version'] !== 1)
    throw corrupt(`has version ${JSON.stringify(value['version'])}; this program reads version 1.`)
  const { baseNumHiddenLayers: base, numHiddenLayers: total, layers } = value
  if (!isIndexBelow(base, 1e6) || !isIndexBelow(total, 1e6)) throw corrupt('lacks the numbers of blocks.')
  if (!Array.isArray(layers) || layers.length !== (total as number) - (base as number))
    throw corrupt(`must list ${(total as number) - (base as number)} new blocks.`)
  let previous = -1
  for (const block of layers as unknown[]) {
    const { index, source, zeroed } = isRecord(block) ? block : {}
    if (!isIndexBelow(index, total as number) || (index as number) <= previous || !isIndexBelow(source, base as number))
      throw corrupt(`has an impossible new block ${JSON.stringify(block)?.slice(0, 80)}.`)
    if (
      !Array.isArray(zeroed) ||
      zeroed.some(path => typeof path !== 'string' || splitLayerPath(path)?.layer !== index)
    )
      throw corrupt(`lists zeroed tensors of block ${index} that are not its own.`)
    previous = index as number
  }
  return value as unknown as Expansion
}

/**
 * The provenance that config.json of an expanded model carries, or null for a model that was not expanded here.
 *
 * @throws LabError PROVENANCE when the record contradicts itself or the configuration
 */
export function readProvenance(config: ModelConfig): Provenance | null {
  const value = config.raw[provenanceKey]
  if (value === undefined || value === null) return null
  const expansion = checkExpansion(value)
  if (expansion.numHiddenLayers !== config.numHiddenLayers)
    throw corrupt(`is about ${expansion.numHiddenLayers} blocks, but num_hidden_layers is ${config.numHiddenLayers}.`)
  const { history } = value as { history?: unknown }
  if (!Array.isArray(history)) throw corrupt('lacks its history.')
  for (const past of history as unknown[]) checkExpansion(past)
  return value as unknown as Provenance
}

/** Indices of the blocks that count as new; empty without provenance. */
export function newLayers(provenance: Provenance | null): Set<number> {
  return new Set(provenance?.layers.map(block => block.index))
}
