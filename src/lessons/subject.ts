/** What lessons are about: a live model with blocks that an expansion has added. */
import type { Probe } from '../data/probe.js'
import { widen } from '../engines/initial-data.js'
import { type LayerRow, layerMap } from '../expansion/layer-map.js'
import type { ExpansionOptions, ExpansionPlan } from '../expansion/plan.js'
import type { Model } from '../model/model.js'
import { layerPrefix, parameterShapes, splitLayerPath } from '../model/parameters.js'
import type { Variable } from '../tensor/variable.js'
import type { Tokenizer } from '../tokenizer/tokenizer.js'
import type { MetricRecord } from '../train/metric-record.js'
import { LabError } from '../util/errors.js'

/** A run as lessons see it. */
export interface TaughtRun {
  readonly name: string
  readonly records: readonly MetricRecord[]
}

export interface LessonSubject {
  readonly model: Model
  readonly tokenizer: Tokenizer
  /** Directory of the model before any expansion. */
  readonly base: string
  readonly plan: ExpansionPlan | null
  readonly trainable: ReadonlySet<string>
  /** The newest run of the session: its name and records; null before one. */
  readonly run: TaughtRun | null
  /** The newest other run of the session that trained all weights, to compare with; null without one. */
  readonly fullRun: TaughtRun | null
  /** Opens the held-out sets of the session. */
  readonly openProbes: (options: { maxTokens: number; seqLen: number }) => Promise<Probe[]>
  readonly signal?: AbortSignal
}

export interface LessonOptions {
  /** A text of the reader's own; lessons have one for those who give none. */
  prompt?: string
  /** An expansion that the ladder shows instead of what is planned or there: what if these were the groups? Nothing is changed. */
  expansion?: ExpansionOptions
  /** Ends the computation, where it takes long (default: the signal of the session). */
  signal?: AbortSignal
}

export const defaultPrompt = 'The river carries small stones from the hills down to the sea.'

export const defaultCode = `export function mean(values: readonly number[]): number {
  let sum = 0
  for (const value of values) sum += value
  return sum / values.length
}
`

/** A new block and the old block that it was copied from, both as indices in the live model. */
export interface BlockPair {
  readonly added: number
  readonly source: number
}

/** @throws LabError LESSON before the model is expanded */
export function firstPair({ model }: LessonSubject): BlockPair {
  const rows = layerMap(model.config).rows
  const added = rows.find(row => row.isNew)
  if (!added) throw new LabError('LESSON', 'this lesson looks at a new block: first await lab.expand({ groups: 3 })')
  const isSource = (row: LayerRow) => !row.isNew && row.sourceLayer === added.sourceLayer
  return { added: added.layer, source: rows.find(isSource)!.layer }
}

/** Names of the parameters within a block, weights before norms. */
export function blockParameters({ model }: LessonSubject): string[] {
  const paths = [...parameterShapes({ ...model.config, numHiddenLayers: 1 }).keys()]
  return paths.flatMap(path => splitLayerPath(path)?.name ?? [])
}

/** Path of a parameter of a block. */
export function pathIn(layer: number, name: string): string {
  return layerPrefix(layer) + name
}

/** The values of a weight as f32, however it is stored: 16-bit floats are widened, rounded integers scaled. */
export async function valuesOf(weight: Variable): Promise<Float32Array> {
  const values = await weight.read()
  const { dtype } = weight
  return dtype === 'f16' || dtype === 'bf16' ? widen(values, dtype) : (values as Float32Array)
}

/** How a weight is rounded; null for one that is stored as it was read. */
export function roundingOf({ storage }: Variable): 'int8' | 'int4' | null {
  return storage === 'int8' || storage === 'int4' ? storage : null
}

/** Token ids of a text each of whose tokens is predicted from those before it. @throws LabError LESSON for fewer than two */
export function textIds(subject: LessonSubject, text: string): Int32Array {
  const ids = promptIds(subject, text)
  if (ids.length > 1) return ids
  throw new LabError('LESSON', `${JSON.stringify(text)} is one token, which nothing predicts: give a longer prompt`)
}

/** Token ids of a prompt, cut to the model's context. */
export function promptIds({ model, tokenizer }: LessonSubject, prompt: string): Int32Array {
  const ids = tokenizer.encode(prompt, { addSpecialTokens: true })
  if (ids.length === 0) throw new LabError('LESSON', 'the prompt has no tokens')
  return ids.slice(0, model.config.maxPositionEmbeddings)
}
