/** Runs on disk as figures, tables and files; shared by `plot` and the demo. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import {
  type Figure,
  figureCsv,
  nearest,
  type RunFigureName,
  type RunFigureOptions,
  type RunRecords,
  readPlotlySource,
  readRun,
  readRunRecords,
  renderHtml,
  renderSvg,
  renderTerminal,
  runFigure,
  runFile,
  summaryCells,
} from '../../src/index.js'
import { usageError } from './exit.js'
import type { Output } from './output.js'

/** A run directory with its records. */
export interface LoadedRun extends RunRecords {
  directory: string
}

/** Reads a run; it is called by the name of its directory unless a name is given. */
export function loadRun(directory: string, name: string = basename(resolve(directory))): LoadedRun {
  return { directory, ...readRunRecords(directory, name) }
}

/** A figure of runs as the lines of a terminal. */
export function terminalFigure(out: Output, figure: Figure): string {
  const width = Math.min(out.width, 140)
  const height = out.isTTY ? Math.max(14, Math.min(out.height - 2, 30)) : 24
  return renderTerminal(figure, { width, height, color: out.color }).join('\n')
}

/** What a page of runs shows after its first figure, as far as the runs have it. */
const furtherFigures: RunFigureName[] = [
  'trade-off',
  'token-shift',
  'kl',
  'contribution',
  'gradients',
  'gradient-matrices',
  'mix',
  'throughput',
  'layer-map',
]

export interface ReportOptions extends RunFigureOptions {
  /** Default: losses and forgetting together; a page adds everything else that the runs have. */
  figure?: RunFigureName
}

/** Writes a report of runs: an SVG file, the figure's numbers as CSV, or a page with all figures, the table and what the runs were. */
export function writeReport(
  path: string,
  runs: readonly LoadedRun[],
  { figure, ...options }: ReportOptions = {},
): void {
  mkdirSync(dirname(resolve(path)), { recursive: true })
  const first = runFigure(figure ?? 'dashboard', runs, options)
  const kind = reportKind(path)
  if (kind !== 'html') {
    writeFileSync(path, kind === 'svg' ? renderSvg(first) : figureCsv(first))
    return
  }
  const further = figure === undefined ? furtherFigures.map(name => runFigure(name, runs, options)) : []
  const report = {
    title: runs.map(run => run.name).join(', '),
    figures: [first, ...further],
    tables: [{ title: 'Held-out text before and after', ...summaryCells(runs) }],
    texts: runs.filter(run => existsSync(join(run.directory, runFile))).map(runText),
  }
  writeFileSync(path, renderHtml(report, { plotlySource: readPlotlySource() }))
}

function runText({ name, directory }: LoadedRun): { title: string; text: string } {
  return { title: `What ${name} was`, text: JSON.stringify(readRun(directory), null, 2) }
}

const reportKinds = ['svg', 'html', 'csv'] as const

/** What a report file is, by the ending of its name. */
export function reportKind(path: string): (typeof reportKinds)[number] {
  const ending = extname(path).slice(1).toLowerCase()
  const kind = reportKinds.find(known => known === ending)
  if (kind) return kind
  const near = nearest(ending, reportKinds)
  throw usageError(
    `cannot write "${path}": expected a name that ends in .svg, .html or .csv.${near ? ` Did you mean ".${near}"?` : ''}`,
  )
}
