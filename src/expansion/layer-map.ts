import type { ModelConfig } from '../model/config.js'
import { elementCount, layerOf, parameterShapes } from '../model/parameters.js'
import { formatCount, formatTable } from '../util/format.js'
import { expandConfig } from './expand-config.js'
import type { ExpansionPlan } from './plan.js'
import { newLayers, readProvenance } from './provenance.js'

/** One block of a layer map. */
export interface LayerRow {
  layer: number
  /** The block of the base model that it is or is copied from. */
  sourceLayer: number
  isNew: boolean
  /** Whether any of its parameters is trainable. */
  isTrainable: boolean
  parameters: number
  trainableParameters: number
  /** parameters / totalParameters, 0 to 1. */
  share: number
}

/** What a model is made of, block by block. */
export interface LayerMap {
  rows: LayerRow[]
  /** Embeddings, final norm and untied head. */
  otherParameters: number
  totalParameters: number
  trainableParameters: number
}

export interface LayerMapOptions {
  /** Paths of the trainable parameters; default those of the new blocks, or all in a model that was not expanded. */
  trainable?: Iterable<string>
  /** Shapes of parameters beside those of the configuration, by path: what an adapter adds. */
  added?: ReadonlyMap<string, readonly number[]> | undefined
}

/**
 * The layer map of a model, read from its configuration and provenance.
 * Expanding LLaMA2-7B by 8 x 1 gives 8,357,482,496 parameters in all and 1,619,066,880 in the new blocks.
 */
export function layerMap(config: ModelConfig, { trainable, added }: LayerMapOptions = {}): LayerMap {
  const provenance = readProvenance(config)
  const sources = new Map(provenance?.layers.map(block => [block.index, block.source]))
  const isNew = newLayers(provenance)
  const trainablePaths = trainable && new Set(trainable)
  const counts = Array.from({ length: config.numHiddenLayers }, () => ({ parameters: 0, trainableParameters: 0 }))
  const others = { parameters: 0, trainableParameters: 0 }
  for (const [path, shape] of [...parameterShapes(config), ...(added ?? [])]) {
    const layer = layerOf(path)
    const isTrainable = trainablePaths?.has(path) ?? (provenance === null || (layer !== null && isNew.has(layer)))
    const count = layer === null ? others : counts[layer]!
    count.parameters += elementCount(shape)
    if (isTrainable) count.trainableParameters += elementCount(shape)
  }
  const sum = (key: 'parameters' | 'trainableParameters') =>
    counts.reduce((total, count) => total + count[key], others[key])
  const totalParameters = sum('parameters')
  let next = 0
  const rows = counts.map((count, layer) => ({
    layer,
    sourceLayer: sources.get(layer) ?? next++,
    isNew: isNew.has(layer),
    isTrainable: count.trainableParameters > 0,
    ...count,
    share: count.parameters / totalParameters,
  }))
  return { rows, otherParameters: others.parameters, totalParameters, trainableParameters: sum('trainableParameters') }
}

/** The layer maps of a model before and after an expansion; `trainable` is about the expanded model. */
export function layerMapsOfPlan(
  config: ModelConfig,
  plan: ExpansionPlan,
  options: LayerMapOptions = {},
): { before: LayerMap; after: LayerMap } {
  return { before: layerMap(config), after: layerMap(expandConfig(config, plan), options) }
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

/** A layer map as aligned plain text: one line per block from the bottom up, then the totals. */
export function layerMapText({ rows, otherParameters, totalParameters, trainableParameters }: LayerMap): string {
  const table = formatTable(
    ['layer', 'source', 'kind', 'training', 'parameters', 'share'],
    rows.map(row => [
      String(row.layer),
      String(row.sourceLayer),
      row.isNew ? 'new' : 'old',
      row.isTrainable ? (row.trainableParameters === row.parameters ? 'trainable' : 'in part') : 'frozen',
      formatCount(row.parameters),
      percent(row.share),
    ]),
  )
  return [
    table,
    `embeddings, final norm and head: ${formatCount(otherParameters)}`,
    `total: ${formatCount(totalParameters)}, trainable: ${formatCount(trainableParameters)} (${percent(trainableParameters / totalParameters)})`,
  ].join('\n')
}
