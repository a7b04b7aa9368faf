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
  /**
   * Where the trainable parameters come from: `given` by the caller, the `added` blocks of an expanded model, or `none`: a
   * plain model of which nothing was said, whose counts of trainable parameters are then 0.
   */
  selection: 'given' | 'added' | 'none'
  /** Embeddings, final norm and untied head. */
  otherParameters: number
  totalParameters: number
  trainableParameters: number
}

export interface LayerMapOptions {
  /** Paths of the trainable parameters; default those of the new blocks, and none in a model that was not expanded. */
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
    const isTrainable = trainablePaths?.has(path) ?? (layer !== null && isNew.has(layer))
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
  const selection = trainablePaths ? 'given' : provenance ? 'added' : 'none'
  const trainableParameters = sum('trainableParameters')
  return { rows, selection, otherParameters: others.parameters, totalParameters, trainableParameters }
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

function trainingText({ isTrainable, trainableParameters, parameters }: LayerRow): string {
  if (!isTrainable) return 'frozen'
  return trainableParameters === parameters ? 'trainable' : 'in part'
}

/**
 * A layer map as aligned plain text: one line per block from the bottom up, then the totals. Nothing is said about training
 * where nothing was selected.
 */
export function layerMapText(map: LayerMap): string {
  const { rows, selection, otherParameters, totalParameters, trainableParameters } = map
  const isSelected = selection !== 'none'
  const table = formatTable(
    ['layer', 'source', 'kind', ...(isSelected ? ['training'] : []), 'parameters', 'share'],
    rows.map(row => [
      String(row.layer),
      String(row.sourceLayer),
      row.isNew ? 'new' : 'old',
      ...(isSelected ? [trainingText(row)] : []),
      formatCount(row.parameters),
      percent(row.share),
    ]),
  )
  const trainable = `, trainable: ${formatCount(trainableParameters)} (${percent(trainableParameters / totalParameters)})`
  return [
    table,
    `embeddings, final norm and head: ${formatCount(otherParameters)}`,
    `total: ${formatCount(totalParameters)}${isSelected ? trainable : ''}`,
  ].join('\n')
}
