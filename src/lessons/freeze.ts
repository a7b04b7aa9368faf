import { createHash } from 'node:crypto'
import { layerMap } from '../expansion/layer-map.js'
import type { Model } from '../model/model.js'
import { layerOf } from '../model/parameters.js'
import { baseLayer, openBase } from './base.js'
import type { Lesson } from './lesson.js'
import { blockParameters, type LessonSubject, pathIn, roundingOf, valuesOf } from './subject.js'

/** Lesson 6: old blocks are locked, and so is what lies outside the blocks; their values, before and now. */
export async function freeze(subject: LessonSubject): Promise<Lesson> {
  const { model, trainable } = subject
  const names = blockParameters(subject)
  const outside = [...model.parameters.keys()].filter(path => layerOf(path) === null)
  const map = layerMap(model.config, { trainable }).rows
  const rows: string[][] = []
  const changed: string[] = []
  const note = (name: string, isOpen: boolean, now: string, before: string | null) => {
    const isChanged = before !== null && before !== now
    if (isChanged) changed.push(name)
    const verdict = before === null ? 'new' : isChanged ? 'changed' : 'unchanged'
    rows.push([name, isOpen ? 'open' : 'locked', now.slice(0, 16), before?.slice(0, 16) ?? '', verdict])
  }
  const base = await openBase(subject)
  try {
    const blockOf = (one: Model, layer: number) =>
      digest(
        one,
        names.map(name => pathIn(layer, name)),
      )
    for (const row of map) {
      const ofBase = baseLayer(base.config.numHiddenLayers, map, row)
      const before = ofBase === null ? null : await blockOf(base, ofBase)
      note(String(row.layer), row.isTrainable, await blockOf(model, row.layer), before)
    }
    const isOpen = outside.some(path => trainable.has(path))
    note('outside', isOpen, await digest(model, outside), await digest(base, outside))
  } finally {
    base.dispose()
  }
  const kinds = new Set([...model.parameters.values()].flatMap(weight => roundingOf(weight) ?? []))
  const rounding = kinds.size === 0 ? '' : `, rounded to ${[...kinds].join(' and ')} as in the live model`
  return {
    number: 6,
    name: 'freeze',
    title: 'Padlocks',
    parts: [
      {
        kind: 'text',
        text: `SHA-256 over the f32 values of every block, and of what lies outside the blocks (embeddings, final norm, head), now and in the base as it lies on disk${rounding}. Whatever is learned, what is locked must keep its checksum.`,
      },
      { kind: 'table', header: ['block', 'lock', 'now', 'in the base', ''], rows },
      {
        kind: 'text',
        text:
          changed.length === 0
            ? `Everything old is the base to the last bit${rounding}.`
            : `No longer those of the base: ${changed.join(', ')}. They have been trained, or written by hand.`,
      },
    ],
  }
}

async function digest(model: Model, paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths) {
    const { buffer, byteOffset, byteLength } = await valuesOf(model.parameter(path))
    hash.update(new Uint8Array(buffer, byteOffset, byteLength))
  }
  return hash.digest('hex')
}
