import { createHash } from 'node:crypto'
import { openCheckpoint } from '../checkpoint/checkpoint.js'
import { loadModel, type WeightStorage } from '../checkpoint/load-model.js'
import { type LayerRow, layerMap } from '../expansion/layer-map.js'
import type { Model } from '../model/model.js'
import { splitLayerPath } from '../model/parameters.js'
import type { Lesson } from './lesson.js'
import { blockParameters, type LessonSubject, pathIn, roundingOf, valuesOf } from './subject.js'

/** Lesson 6: old blocks are locked; their values, before and now. */
export async function freeze(subject: LessonSubject): Promise<Lesson> {
  const { model, trainable } = subject
  const names = blockParameters(subject)
  const map = layerMap(model.config, { trainable }).rows
  const rows: string[][] = []
  const rounded = new Set(names.flatMap(name => map.map(row => roundingOf(model.parameter(pathIn(row.layer, name))))))
  rounded.delete(null)
  let broken = 0
  const base = await baseOf(subject, map)
  try {
    for (const row of map) {
      const now = await digest(model, row.layer, names)
      const ofBase = baseLayer(base.config.numHiddenLayers, map, row)
      const before = ofBase === null ? null : await digest(base, ofBase, names)
      if (before !== null && before !== now) broken++
      const lock = row.isTrainable ? 'open' : 'locked'
      const verdict = before === null ? 'new' : before === now ? 'unchanged' : 'changed'
      rows.push([String(row.layer), lock, now.slice(0, 16), before?.slice(0, 16) ?? '', verdict])
    }
  } finally {
    base.dispose()
  }
  const rounding = rounded.size === 0 ? '' : `, rounded to ${[...rounded].join(' and ')} as in the live model`
  return {
    number: 6,
    name: 'freeze',
    title: 'Padlocks',
    parts: [
      {
        kind: 'text',
        text: `SHA-256 over the f32 values of every block, now and in the base as it lies on disk${rounding}. Whatever is learned, a locked block must keep its checksum.`,
      },
      { kind: 'table', header: ['block', 'lock', 'now', 'in the base', ''], rows },
      {
        kind: 'text',
        text:
          broken === 0
            ? `All old blocks are the base to the last bit${rounding}.`
            : `${broken} old blocks have changed: they were trained.`,
      },
    ],
  }
}

/** The base with its blocks rounded as those of the live model are. */
async function baseOf({ model, base }: LessonSubject, map: readonly LayerRow[]): Promise<Model> {
  const checkpoint = await openCheckpoint(base)
  const depth = checkpoint.config.numHiddenLayers
  const storage = (path: string): WeightStorage => {
    const split = splitLayerPath(path)
    const row = split && map.find(one => baseLayer(depth, map, one) === split.layer)
    return (row && roundingOf(model.parameter(pathIn(row.layer, split.name)))) ?? 'f32'
  }
  return loadModel(checkpoint, model.engine, { storage })
}

/** The block of the base that a block is; a base that was expanded before it was loaded has the live model's blocks, one by one. */
function baseLayer(baseDepth: number, map: readonly LayerRow[], row: LayerRow): number | null {
  if (baseDepth === map.length) return row.layer
  return row.isNew ? null : row.sourceLayer
}

async function digest(model: Model, layer: number, names: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const name of names) {
    const { buffer, byteOffset, byteLength } = await valuesOf(model.parameter(pathIn(layer, name)))
    hash.update(new Uint8Array(buffer, byteOffset, byteLength))
  }
  return hash.digest('hex')
}
