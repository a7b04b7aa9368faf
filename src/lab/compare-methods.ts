/** Methods compared: one run each over the same data, then one table and one figure. What `llama-pro compare` does. */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { LayerMap } from '../expansion/layer-map.js'
import { type ComparedRun, comparedRuns, forgottenProbe } from '../methods/comparison.js'
import { comparisonFigure } from '../methods/comparison-figure.js'
import {
  type ComparisonRow,
  comparisonCells,
  comparisonCsv,
  comparisonNote,
  comparisonRow,
  comparisonText,
} from '../methods/comparison-table.js'
import type { Figure } from '../plot/figure.js'
import { renderHtml } from '../plot/html.js'
import { readPlotlySource } from '../plot/plotly-source.js'
import { renderSvg } from '../plot/svg.js'
import { type MetricRecord, readMetrics } from '../train/metrics.js'
import { type Recipe, recipeHash } from '../train/recipe.js'
import { checkNoRun, checkpointSteps, metricsFile, modelFolder, readRun, runFile } from '../train/run-directory.js'
import { writeFileAtomic } from '../util/atomic-file.js'
import type { RunResult } from './run-events.js'
import type { RunIdentity } from './run-identity.js'
import { type RunOptions, runRecipe } from './run-recipe.js'

export interface CompareOptions extends Omit<RunOptions, 'events'> {
  /** Default: those of the recipe's `compare` block, else expansion, full and lora. */
  methods?: readonly string[]
  /** Does one run; a front wraps {@link runRecipe} to show it. */
  run?: (method: string, options: RunOptions) => Promise<RunResult>
  /** Told of a run that was complete already and is not done again. */
  onSkipped?: (method: string) => void
}

export interface Comparison {
  readonly status: 'done' | 'interrupted'
  /** Of the methods that are complete, in their order. */
  readonly rows: readonly ComparisonRow[]
  /** Null when interrupted. */
  readonly figure: Figure | null
  /** comparison.txt, .csv, .json, .svg and .html in `out`; none when interrupted. */
  readonly files: readonly string[]
}

/** Name of the files of a comparison, without the ending. */
const comparisonFile = 'comparison'

/**
 * Runs a recipe once for each method, in `out/<method>`, and compares. With `resume` complete runs are kept as they are
 * and an interrupted one goes on from its checkpoint.
 * @throws LabError METHOD; RUN_EXISTS without `resume`; RESUME when a run was made by another recipe; those of runs
 */
export async function compareMethods(options: CompareOptions): Promise<Comparison> {
  const { recipe, out, methods, resume = false, run = runOne, onSkipped, ...conditions } = options
  const runs = comparedRuns(recipe, methods)
  const forgotten = forgottenProbe(recipe)
  if (!resume) for (const { method } of runs) checkNoRun(join(out, method))
  for (const [i, { method, recipe: own }] of runs.entries()) {
    const dir = join(out, method)
    if (resume && isComplete(dir, own)) {
      onSkipped?.(method)
      continue
    }
    const { status } = await run(method, { ...conditions, recipe: own, out: dir, resume })
    if (status === 'interrupted')
      return { status, rows: rowsOf(recordsOf(out, runs.slice(0, i))), figure: null, files: [] }
  }
  return { status: 'done', ...writeComparison(out, recordsOf(out, runs), { title: recipe.name, forgotten }) }
}

const runOne = (_method: string, options: RunOptions): Promise<RunResult> => runRecipe(options)

/** Whether a run of this very recipe has made its last checkpoint and its result. */
function isComplete(dir: string, recipe: Recipe): boolean {
  if (!existsSync(join(dir, runFile))) return false
  const { identity } = readRun(dir) as { identity?: RunIdentity }
  const isSame = identity?.recipe === recipeHash(recipe)
  return isSame && checkpointSteps(dir).at(-1) === recipe.steps && existsSync(join(dir, modelFolder, 'config.json'))
}

interface FinishedRun extends ComparedRun {
  records: MetricRecord[]
  parameters: { total: number; trainable: number }
}

function recordsOf(out: string, runs: readonly ComparedRun[]): FinishedRun[] {
  return runs.map(run => {
    const dir = join(out, run.method)
    const { totalParameters, trainableParameters } = readRun(dir)['layerMap'] as LayerMap
    const parameters = { total: totalParameters, trainable: trainableParameters }
    return { ...run, parameters, records: readMetrics(join(dir, metricsFile)) }
  })
}

function rowsOf(runs: readonly FinishedRun[]): ComparisonRow[] {
  return runs.map(({ recipe, ...run }) => comparisonRow({ ...run, lr: recipe.optimizer.lr }))
}

function writeComparison(
  out: string,
  runs: readonly FinishedRun[],
  { title, forgotten }: { title: string; forgotten: string | null },
): Pick<Comparison, 'rows' | 'figure' | 'files'> {
  const rows = rowsOf(runs)
  const figure = comparisonFigure(
    runs.map(({ method, records }) => ({ name: method, records })),
    { forgotten },
  )
  const page = { title, figures: [figure], tables: [{ title: comparisonNote(rows), ...comparisonCells(rows) }] }
  const contents = {
    txt: comparisonText(rows),
    csv: comparisonCsv(rows),
    json: `${JSON.stringify({ title, forgotten, rows }, null, 2)}\n`,
    svg: renderSvg(figure, { width: 1500, height: 480 }),
    html: renderHtml(page, { plotlySource: readPlotlySource() }),
  }
  mkdirSync(out, { recursive: true })
  const files = Object.entries(contents).map(([ending, content]) => {
    const path = join(out, `${comparisonFile}.${ending}`)
    writeFileAtomic(path, content)
    return path
  })
  return { rows, figure, files }
}
