import { createHash } from 'node:crypto'
import { loadModel } from '../checkpoint/load-model.js'
import { layerMap } from '../expansion/layer-map.js'
import type { Model } from '../model/model.js'
import type { Lesson } from './lesson.js'
import { blockParameters, type LessonSubject, pathIn } from './subject.js'

/** Lesson 6: old blocks are locked; their bytes, before and now. */
export async function freeze(subject: LessonSubject): Promise<Lesson> {
  const { model, trainable } = subject
  const names = blockParameters(subject)
  const rows: string[][] = []
  let broken = 0
  const base = await loadModel(subject.base, model.engine)
  try {
    const isSameDepth = base.config.numHiddenLayers === model.config.numHiddenLayers
    for (const row of layerMap(model.config, { trainable }).rows) {
      const now = await digest(
        model,
        names.map(name => pathIn(row.layer, name)),
      )
      // a base that was expanded before it was loaded has the live model's blocks, one by one
      const ofBase = isSameDepth ? row.layer : row.isNew ? null : row.sourceLayer
      const before =
        ofBase === null
          ? null
          : await digest(
              base,
              names.map(name => pathIn(ofBase, name)),
            )
      if (before !== null && before !== now) broken++
      const lock = row.isTrainable ? 'open' : 'locked'
      const verdict = before === null ? 'new' : before === now ? 'unchanged' : 'changed'
      rows.push([String(row.layer), lock, now.slice(0, 16), before?.slice(0, 16) ?? '', verdict])
    }
  } finally {
    base.dispose()
  }
  return {
    number: 6,
    name: 'freeze',
    title: 'Padlocks',
    parts: [
      {
        kind: 'text',
        text: 'SHA-256 over the bytes of every block, now and in the base as it lies on disk. Whatever is learned, a locked block must keep its checksum.',
      },
      { kind: 'table', header: ['block', 'lock', 'now', 'in the base', ''], rows },
      {
        kind: 'text',
        text:
          broken === 0
            ? 'All old blocks are the base to the last bit.'
            : `${broken} old blocks have changed: they were trained.`,
      },
    ],
  }
}

async function digest(model: Model, paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths) {
    const values = await model.parameter(path).read()
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }
  return hash.digest('hex')
}
