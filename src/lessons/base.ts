/** The base of a session, read again from disk: what lessons compare the live model with. */
import { openCheckpoint } from '../checkpoint/checkpoint.js'
import { loadModel, storageOf, type WeightStorage } from '../checkpoint/load-model.js'
import { type LayerRow, layerMap } from '../expansion/layer-map.js'
import type { Model } from '../model/model.js'
import { layerPrefix, splitLayerPath } from '../model/parameters.js'
import type { LessonSubject } from './subject.js'

/**
 * Loads the base onto the engine of the live model, each weight held as the live model holds it, so that what is rounded
 * there is rounded here too and both compute with the same kernels. The caller's to dispose.
 */
export async function openBase({
  model,
  base,
  signal,
}: Pick<LessonSubject, 'model' | 'base' | 'signal'>): Promise<Model> {
  const checkpoint = await openCheckpoint(base)
  const { rows } = layerMap(model.config)
  const depth = checkpoint.config.numHiddenLayers
  const livePath = (path: string): string | null => {
    const split = splitLayerPath(path)
    if (!split) return path
    const row = rows.find(one => baseLayer(depth, rows, one) === split.layer)
    return row ? layerPrefix(row.layer) + split.name : null
  }
  const storage = (path: string): WeightStorage => {
    const live = livePath(path)
    const weight = live === null ? null : model.parameter(live)
    return weight ? storageOf(weight) : 'f32'
  }
  return loadModel(checkpoint, model.engine, { storage, ...(signal ? { signal } : {}) })
}

/** The block of the base that a block is, null for a new one; a base that was expanded before it was loaded has the live model's blocks, one by one. */
export function baseLayer(baseDepth: number, rows: readonly LayerRow[], row: LayerRow): number | null {
  if (baseDepth === rows.length) return row.layer
  return row.isNew ? null : row.sourceLayer
}
