import { newLayers, readProvenance } from '../expansion/provenance.js'
import type { ModelConfig } from '../model/config.js'
import { elementCount, layerOf, parameterShapes, splitLayerPath } from '../model/parameters.js'
import { internal } from '../util/errors.js'
import { formatCount, formatTable } from '../util/format.js'

/** One trainable parameter. */
export interface TrainableRow {
  path: string
  shape: readonly number[]
  parameters: number
  /** parameters / all parameters of the model, 0 to 1. */
  share: number
  /** The block it belongs to, or null. */
  layer: number | null
  isNew: boolean
}

/** The trainable parameters of a model with their counts. */
export interface TrainableTable {
  rows: TrainableRow[]
  trainableParameters: number
  totalParameters: number
}

/**
 * Lists the trainable parameters of a model with shapes and counts, in the order of `trainable`.
 * @param options.added shapes of parameters beside those of the configuration, by path: what an adapter adds
 */
export function trainableTable(
  config: ModelConfig,
  trainable: Iterable<string>,
  { added = new Map() }: { added?: ReadonlyMap<string, readonly number[]> | undefined } = {},
): TrainableTable {
  const shapes = new Map([...parameterShapes(config), ...added])
  const isNew = newLayers(readProvenance(config))
  let totalParameters = 0
  for (const shape of shapes.values()) totalParameters += elementCount(shape)
  const rows = [...trainable].map((path): TrainableRow => {
    const shape = shapes.get(path)
    if (!shape) throw internal(`"${path}" was selected for training but is not a parameter of the model`)
    const layer = layerOf(path)
    const parameters = elementCount(shape)
    return {
      path,
      shape,
      parameters,
      share: parameters / totalParameters,
      layer,
      isNew: layer !== null && isNew.has(layer),
    }
  })
  return { rows, trainableParameters: rows.reduce((sum, row) => sum + row.parameters, 0), totalParameters }
}

/** `0, 1, 2, 5` -> `0-2,5`. */
function ranges(layers: number[]): string {
  const runs: [number, number][] = []
  for (const layer of layers) {
    const run = runs.at(-1)
    if (run && run[1] === layer - 1) run[1] = layer
    else runs.push([layer, layer])
  }
  return runs.map(([first, last]) => (first === last ? String(first) : `${first}-${last}`)).join(',')
}

/** Rows of blocks that differ only in the block are one line: `model.layers.{4,9}.mlp.down_proj.weight`. */
function collapsed(rows: TrainableRow[]): { path: string; rows: TrainableRow[] }[] {
  const groups = new Map<string, TrainableRow[]>()
  for (const row of rows) {
    const name = splitLayerPath(row.path)?.name
    const key = name === undefined ? row.path : `${row.isNew ? 'new' : 'old'} ${name}`
    groups.set(key, [...(groups.get(key) ?? []), row])
  }
  return [...groups.values()].map(group => {
    const { path, layer } = group[0]!
    const layers = group.map(row => row.layer ?? 0).sort((a, b) => a - b)
    const list = layers.length === 1 ? String(layer) : `{${ranges(layers)}}`
    return { path: layer === null ? path : `model.layers.${list}.${splitLayerPath(path)!.name}`, rows: group }
  })
}

/** The table as aligned plain text, as it is printed before a run: one line per kind of parameter, then the total. */
export function trainableTableText({ rows, trainableParameters, totalParameters }: TrainableTable): string {
  const percent = (count: number) => `${((100 * count) / totalParameters).toFixed(2)} %`
  const lines = collapsed(rows).map(({ path, rows: group }) => {
    const parameters = group.reduce((sum, row) => sum + row.parameters, 0)
    const { shape, isNew, layer } = group[0]!
    const kind = layer === null ? '' : isNew ? 'new' : 'old'
    return [
      path,
      kind,
      `[${shape.join(', ')}]`,
      formatCount(group.length),
      formatCount(parameters),
      percent(parameters),
    ]
  })
  const table = formatTable(['trainable parameter', 'block', 'shape', 'tensors', 'parameters', 'share'], lines)
  return `${table}\ntrainable: ${formatCount(trainableParameters)} of ${formatCount(totalParameters)} parameters (${percent(trainableParameters)})`
}
