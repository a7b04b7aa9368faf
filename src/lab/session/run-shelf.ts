/** The runs of a folder, and what can be read off them. */
import { existsSync, readdirSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { ColumnTable } from 'arquero'
import { readLayerMap, readRunRecords } from '../../forgetting/read-run.js'
import {
  contributionTable,
  eventTable,
  probeTable,
  type RunRecords,
  summaryTable,
  trainTable,
} from '../../forgetting/tables.js'
import { type MetricRecord, readMetrics } from '../../train/metrics.js'
import type { Recipe } from '../../train/recipe.js'
import { checkpointSteps, metricsFile, modelFolder, readRun, runFile } from '../../train/run-directory.js'
import { formatTable } from '../../util/format.js'
import { readable } from './readable.js'
import { TrainingRun } from './training-run.js'

/** A run on disk. */
export interface RunRow {
  name: string
  dir: string
  status: 'done' | 'unfinished'
  step: number
  steps: number
  method: string
}

const tables = {
  summary: summaryTable,
  train: ([run]: RunRecords[]) => trainTable(run!.records),
  probe: ([run]: RunRecords[]) => probeTable(run!.records),
  contribution: ([run]: RunRecords[]) => contributionTable(run!.records),
  event: ([run]: RunRecords[]) => eventTable(run!.records),
} satisfies Record<string, (runs: RunRecords[]) => ColumnTable>

/** Names of the tables of runs: the summary is of all that are given, the others of the first. */
export type RunTableName = keyof typeof tables

export function runTable(what: RunTableName, runs: RunRecords[]): ColumnTable {
  return tables[what](runs)
}

/** Every run below a folder, by name. */
export function listRuns(folder: string): RunRow[] {
  const names = existsSync(folder) ? readdirSync(folder).sort() : []
  const dirs = names.map(name => join(folder, name)).filter(dir => existsSync(join(dir, runFile)))
  const rows = dirs.map(rowOf)
  const cells = rows.map(row => [row.name, row.status, `${row.step}/${row.steps}`, row.method])
  return readable(rows, formatTable(['run', 'status', 'step', 'method'], cells))
}

/** `wanted`, or the first of `wanted-2`, `wanted-3`, ... that is free below a folder. */
export function freeRunName(folder: string, wanted: string): string {
  let name = wanted
  for (let n = 2; existsSync(join(folder, name)); n++) name = `${wanted}-${n}`
  return name
}

/** A run directory given by its path, or by its name below `folder`, which is where it is looked for last. */
export function runDirectoryOf(run: string, { cwd, folder }: { cwd: string; folder: string }): string {
  const path = resolve(cwd, run)
  const named = join(folder, run)
  return !existsSync(join(path, runFile)) && existsSync(join(named, runFile)) ? named : path
}

/** The newest run before the last one of a session, and not of its directory, that trains all weights; null without one. */
export function fullRunBeside(runs: readonly TrainingRun[]): TrainingRun | null {
  const last = runs.at(-1)
  return runs.filter(({ dir, recipe }) => dir !== last?.dir && recipe.train.join() === 'all').at(-1) ?? null
}

/** The records of a run of this session, or of a run directory given by its path or its name below `folder`. */
export function recordsOf(run: string | TrainingRun, { cwd, folder }: { cwd: string; folder: string }): RunRecords {
  if (run instanceof TrainingRun) return { name: run.name, records: [...run.records], layers: readLayerMap(run.dir) }
  const path = resolve(cwd, run)
  return readRunRecords(existsSync(join(path, metricsFile)) ? path : join(folder, run))
}

/** The records of a run directory that stay when it is resumed: those up to its newest checkpoint. */
export function recordsToResume(dir: string): MetricRecord[] {
  const newest = checkpointSteps(dir).at(-1)
  return newest === undefined ? [] : readMetrics(join(dir, metricsFile)).filter(({ step }) => step <= newest)
}

function rowOf(dir: string): RunRow {
  const { steps, method } = readRun(dir)['recipe'] as Recipe
  const metrics = join(dir, metricsFile)
  const records = existsSync(metrics) ? readMetrics(metrics) : []
  const status = existsSync(join(dir, modelFolder)) ? 'done' : 'unfinished'
  return { name: basename(dir), dir, status, step: records.at(-1)?.step ?? 0, steps, method }
}
