/** A run while it goes on, in a few lines of text. */
import type { MetricRecord, ProbeRecord, RunStatus } from '../../src/index.js'
import { fitWidth, padWidth, textWidth } from '../editor/width.js'
import type { Look } from './look.js'
import { curvesOf } from './run-curves.js'
import { type SparkPoint, sparkline } from './sparkline.js'

/** What is shown of a run. */
export interface RunState {
  name: string
  status: RunStatus
  step: number
  steps: number
  etaSeconds: number | null
  records: readonly MetricRecord[]
}

/** How numbers are written; the library's, which is loaded late. */
export interface NumberFormats {
  count(value: number): string
  bytes(value: number): string
  duration(seconds: number): string
}

export interface PanelOptions {
  columns: number
  /** Lines at most. */
  maxLines: number
  look: Look
  formats: NumberFormats
  /** What is being done before the first step. */
  phase: string
}

interface Curve {
  name: string
  value: string
  change: string
  points: readonly SparkPoint[]
  zero?: number
  paint: (text: string) => string
}

/** The run's status, a bar, and a curve of the loss and of every probe; never more than `maxLines` lines. */
export function runPanel(run: RunState, options: PanelOptions): string[] {
  const { columns, maxLines } = options
  if (maxLines < 1) return []
  const curves = curvesToShow(run, options.look)
  const room = maxLines - 1
  const height = 2 * curves.length <= room ? 2 : 1
  const shown = curves.slice(0, Math.floor(room / height))
  const width = Math.min(100, columns)
  return [headLine(run, options), ...shown.flatMap(curve => curveLines(curve, { run, width, height }))]
}

function headLine(run: RunState, { columns, look, formats, phase }: PanelOptions): string {
  const { last } = curvesOf(run.records, run.steps).loss
  const share = run.steps > 0 ? run.step / run.steps : 0
  const bar = `${'█'.repeat(Math.round(share * 12))}${'░'.repeat(12 - Math.round(share * 12))}`
  const isHeld = run.status === 'paused' || run.status === 'stopping'
  const state = (isHeld ? look.yellow : look.green)(`${isHeld ? '◌' : '●'} ${run.status}`)
  const details = [
    ...(last || phase === run.status ? [] : [phase]),
    ...(last ? [`loss ${last.lossNats.toFixed(3)}`, `${formats.count(last.tokensPerSec)} tokens/s`] : []),
    ...(run.etaSeconds === null ? [] : [`${formats.duration(run.etaSeconds)} left`]),
    ...(last ? [formats.bytes(last.rssBytes)] : []),
  ]
  let line = `${state} ${look.bold(run.name)}  ${look.cyan(bar)} ${run.step}/${run.steps}`
  for (const detail of details) if (textWidth(line) + 2 + textWidth(detail) < columns) line += `  ${detail}`
  return textWidth(line) < columns ? line : fitWidth(`${run.status} ${run.name} ${run.step}/${run.steps}`, columns - 1)
}

function curvesToShow({ records, steps }: RunState, look: Look): Curve[] {
  const { loss, probes } = curvesOf(records, steps)
  const shown = [...probes].map(([name, { points, last }]) => probeCurve(name, points, last!, look))
  if (!loss.last) return shown
  const value = loss.last.lossNats.toFixed(3)
  return [{ name: 'loss', value, change: '', points: loss.points, paint: look.cyan }, ...shown]
}

/** Change of the loss since step 0: above the dotted line something is forgotten, below it is learned. */
function probeCurve(name: string, points: readonly SparkPoint[], last: ProbeRecord, look: Look): Curve {
  // without a band nothing is sure
  const isSure = (last.deltaLow ?? 0) > 0 || (last.deltaHigh ?? 0) < 0
  return {
    name,
    value: last.lossNats.toFixed(3),
    change: `${last.deltaNats < 0 ? '-' : '+'}${Math.abs(last.deltaNats).toFixed(3)}`,
    points,
    zero: 0,
    paint: !isSure ? look.dim : last.deltaNats > 0 ? look.red : look.green,
  }
}

function curveLines(
  { name, value, change, points, zero, paint }: Curve,
  { run, width, height }: { run: RunState; width: number; height: number },
): string[] {
  const lead = `  ${padWidth(name, 12)} ${value.padStart(8)} ${change.padStart(8)}  `
  const room = Math.max(8, width - lead.length - 1)
  const axis = { width: room, height, from: 0, to: Math.max(1, run.steps) }
  const drawn = sparkline(points, zero === undefined ? axis : { ...axis, zero })
  return drawn.map((text, row) => {
    const isLast = row === drawn.length - 1
    return `${isLast ? lead : ' '.repeat(lead.length)}${paint(text.trimEnd())}`
  })
}
