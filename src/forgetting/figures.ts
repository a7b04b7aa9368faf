import type { LayerMap } from '../expansion/layer-map.js'
import type { ColorName, Figure } from '../plot/figure.js'
import { contributionFigure, type LayerMapInput, layerMapFigure } from '../plot/figures/blocks.js'
import { combineFigures } from '../plot/figures/combine.js'
import type { ColorBy, Curve, CurveOptions, XUnit } from '../plot/figures/curves.js'
import { forgettingFigure, klFigure, type LossUnit, tradeOffFigure } from '../plot/figures/forgetting.js'
import { sharesFigure } from '../plot/figures/shares.js'
import { gradientNormFigure, throughputFigure, trainingLossFigure } from '../plot/figures/training.js'
import type { ProbeRecord } from '../train/metrics.js'
import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'
import { bitsPerByteFactor, ofKind, type RunRecords } from './tables.js'
import type { TrainColumn } from './train-columns.js'

export interface RunFigureOptions extends Omit<CurveOptions, 'marks'> {
  /** Unit of losses on held-out text; default `nats`. */
  unit?: LossUnit
  /** The probe that stands for the old domain in the trade-off; default `general`, else the first. The mean of all others stands for the new one. */
  forgottenProbe?: string
}

/** Runs of equal names would be drawn as one: the second becomes `name (2)`. */
function distinct(runs: readonly RunRecords[]): RunRecords[] {
  const taken = new Set<string>()
  return runs.map(run => {
    let unique = run.name
    for (let n = 2; taken.has(unique); n++) unique = `${run.name} (${n})`
    taken.add(unique)
    return { ...run, name: unique }
  })
}

function trainColumn(run: RunRecords, column: TrainColumn): ArrayLike<number> {
  return run.train?.column(column) ?? ofKind(run.records, 'train').map(record => record[column])
}

function trainCurves(runs: RunRecords[], x: XUnit, name: string, column: TrainColumn): Curve[] {
  return runs.map(run => ({ run: run.name, name, x: trainColumn(run, x), y: trainColumn(run, column) }))
}

function probesOf(runs: readonly RunRecords[]): string[] {
  return [...new Set(runs.flatMap(run => ofKind(run.records, 'probe').map(record => record.probe)))]
}

/** The evaluations of each probe of each run that made any. */
function probeSeries(runs: RunRecords[]): { run: string; probe: string; records: ProbeRecord[] }[] {
  return probesOf(runs).flatMap(probe =>
    runs
      .map(run => ({
        run: run.name,
        probe,
        records: ofKind(run.records, 'probe').filter(record => record.probe === probe),
      }))
      .filter(series => series.records.length > 0),
  )
}

function forgettingOf(runs: RunRecords[], options: RunFigureOptions): Figure {
  const factor = options.unit === 'bitsPerByte' ? bitsPerByteFactor : () => 1
  const x = options.x ?? 'step'
  const curves = probeSeries(runs).map(
    ({ run, probe, records }): Curve => ({
      run,
      name: probe,
      x: records.map(record => record[x]),
      y: records.map(record => record.deltaNats * factor(record)),
      ...bandOf(records, factor),
    }),
  )
  // evaluations are few and each is a mean over a whole probe: smoothing would only hide the start
  return forgettingFigure(curves, { ...options, smoothing: 0, marks: marksOf(runs, x) })
}

/** The ends of the band of each evaluation, nothing where a probe has none. */
function bandOf(records: ProbeRecord[], factor: (record: ProbeRecord) => number): Pick<Curve, 'low' | 'high'> {
  if (records.every(record => record.deltaLow === null)) return {}
  const ends = (end: 'deltaLow' | 'deltaHigh') =>
    records.map(record => (record[end] === null ? null : record[end] * factor(record)))
  return { low: ends('deltaLow'), high: ends('deltaHigh') }
}

/** The probe that stands for the old domain where nobody says which: `general`, else the first; null without probes. */
export function defaultForgottenProbe(probes: readonly string[]): string | null {
  return probes.includes('general') ? 'general' : (probes[0] ?? null)
}

/** The moments at which a single run was resumed; with several runs it would not be clear whose they are. */
function marksOf(runs: RunRecords[], x: XUnit): { x: number; text: string }[] {
  if (runs.length !== 1) return []
  const events = ofKind(runs[0]!.records, 'event').filter(event => event.name === 'resumed')
  return events.map(event => ({ x: event[x], text: event.name }))
}

function lossOf(runs: RunRecords[], options: RunFigureOptions, colorBy: ColorBy): Figure {
  const x = options.x ?? 'step'
  const curves = trainCurves(runs, x, 'training loss', 'lossNats')
  return trainingLossFigure(curves, { ...options, colorBy, marks: marksOf(runs, x) })
}

/** A dashboard tells runs by dash in both panels, because colour means the probe in one of them (when there are several). */
function dashboardOf(runs: RunRecords[], options: RunFigureOptions): Figure {
  const oneProbe = probesOf(runs).length < 2
  const figures = [lossOf(runs, options, oneProbe ? 'name' : 'neutral'), forgettingOf(runs, options)]
  return combineFigures('Training and forgetting', figures)
}

function klOf(runs: RunRecords[], options: RunFigureOptions): Figure {
  const curves = probeSeries(runs)
    .filter(({ records }) => records.some(record => record.klToBaseNats !== null))
    .map(({ run, probe, records }) => ({
      run,
      name: probe,
      x: records.map(record => record[options.x ?? 'step']),
      y: records.map(record => record.klToBaseNats),
    }))
  return klFigure(curves, { ...options, smoothing: 0 })
}

function meanDecrease(records: ProbeRecord[], unit: LossUnit): number | null {
  if (records.length === 0) return null
  const changes = records.map(record => record.deltaNats * (unit === 'nats' ? 1 : bitsPerByteFactor(record)))
  return 0 - changes.reduce((sum, change) => sum + change, 0) / changes.length
}

function tradeOffOf(runs: RunRecords[], options: RunFigureOptions): Figure {
  const { unit = 'nats', allRuns = [] } = options
  const probes = probesOf(runs)
  const forgottenProbe = options.forgottenProbe ?? defaultForgottenProbe(probes) ?? 'general'
  const others = probes.filter(probe => probe !== forgottenProbe)
  const paths = runs.map(run => {
    const records = ofKind(run.records, 'probe')
    const steps = [...new Set(records.map(record => record.step))]
    const at = (step: number, old: boolean) =>
      records.filter(record => record.step === step && (record.probe === forgottenProbe) === old)
    const forgotten = steps.map(step => meanDecrease(at(step, true), unit))
    return {
      run: run.name,
      learned: steps.map(step => meanDecrease(at(step, false), unit)),
      forgotten: forgotten.map(value => (value === null ? null : 0 - value)),
    }
  })
  const learnedFrom = others.length > 0 ? others.join(' + ') : 'other probes'
  return tradeOffFigure(paths, { unit, learnedFrom, forgottenFrom: forgottenProbe, allRuns })
}

function mixOf(runs: RunRecords[], options: RunFigureOptions): Figure {
  const inputs = runs.map(run => {
    const x = trainColumn(run, options.x ?? 'step')
    if (run.train) return { title: run.name, x, parts: run.train.mix() }
    const records = ofKind(run.records, 'train')
    const sources = [...new Set(records.flatMap(record => Object.keys(record.mix)))]
    const parts = sources.map(name => ({ name, amounts: records.map(record => record.mix[name] ?? null) }))
    return { title: run.name, x, parts }
  })
  return sharesFigure('Data mix served', inputs, { ...options, caption: 'Share of the training tokens by source.' })
}

const shiftColors = new Map<string, ColorName>([
  ['unshifted', 'muted'],
  ['marginal', 'sky'],
  ['shifted', 'vermillion'],
])

function tokenShiftOf(runs: RunRecords[], options: RunFigureOptions): Figure {
  const inputs = probeSeries(runs)
    .filter(({ records }) => records.some(record => record.shifted !== null))
    .map(({ run, probe, records }) => ({
      title: runs.length > 1 ? `${probe} · ${run}` : probe,
      x: records.map(record => record[options.x ?? 'step']),
      parts: (['unshifted', 'marginal', 'shifted'] as const).map(name => ({
        name,
        amounts: records.map(record => record[name]),
      })),
    }))
  const caption = "Rank of the model's next token in the base model: unshifted 1, marginal 2-3, shifted above 3."
  return sharesFigure('Token shift against the base model', inputs, { ...options, caption, colors: shiftColors })
}

/** The contribution of each added block at the last step that measured it, averaged over the probes. */
function contributionOf(runs: RunRecords[], { allRuns = [] }: RunFigureOptions): Figure {
  const inputs = runs.map(run => {
    const all = ofKind(run.records, 'contribution')
    const latest = all.filter(record => record.step === all.at(-1)?.step)
    const layers = [...new Set(latest.map(record => record.layer))].sort((a, b) => a - b)
    const mean = (layer: number) => {
      const ratios = latest.filter(record => record.layer === layer).map(record => record.ratio)
      return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
    }
    return { run: run.name, layers, ratios: layers.map(mean) }
  })
  const caption =
    'Norm that each added block writes to the residual stream over the norm it reads; last evaluation, mean over probes.'
  return contributionFigure(inputs, { caption, allRuns })
}

/** `model.layers.7.mlp.down_proj.weight` is of the matrix `down_proj`; all norms are one. */
function matrixOf(path: string): string {
  const name = path.split('.').at(-2) ?? path
  return name.includes('norm') ? 'norms' : name
}

/** The gradient of each kind of matrix as one vector over all trained blocks. */
function matrixNorms(norms: Record<string, number>): Map<string, number> {
  const squares = new Map<string, number>()
  for (const [path, norm] of Object.entries(norms)) {
    const matrix = matrixOf(path)
    squares.set(matrix, (squares.get(matrix) ?? 0) + norm * norm)
  }
  return new Map([...squares].map(([matrix, square]) => [matrix, Math.sqrt(square)]))
}

function gradientMatricesOf(runs: RunRecords[], options: RunFigureOptions): Figure {
  const curves = runs.flatMap(run => {
    const records = ofKind(run.records, 'gradient')
    const all = records.map(record => matrixNorms(record.norms))
    const names = [...new Set(all.flatMap(norms => [...norms.keys()]))]
    const x = records.map(record => record[options.x ?? 'step'])
    // a zero (a matrix behind one that is still zero) has no place on the logarithmic axis
    return names.map(name => ({ run: run.name, name, x, y: all.map(norms => norms.get(name) || null) }))
  })
  const caption = 'Norm over all trained blocks; a matrix that gets no gradient yet has no point.'
  const figure = gradientNormFigure(curves, { ...options, smoothing: 0 })
  return { ...figure, title: 'Gradient norm of each matrix', caption }
}

function layerMapOf(runs: RunRecords[]): Figure {
  const known = runs.flatMap(({ name, layers }) => (layers ? [{ name, figure: layerMapFigure(blocksOf(layers)) }] : []))
  if (known.length === 1) return known[0]!.figure
  return combineFigures(
    'Layer map',
    known.map(({ name, figure }) => ({ ...figure, title: name, caption: `${name}: ${figure.caption}` })),
    1,
  )
}

function blocksOf({ rows, totalParameters, trainableParameters }: LayerMap): LayerMapInput {
  const blocks = rows.map(({ layer, sourceLayer, isNew, isTrainable, parameters }) => ({
    layer,
    source: sourceLayer,
    added: isNew,
    trainable: isTrainable,
    parameters,
  }))
  return { blocks, totalParameters, trainableParameters }
}

const builders = {
  loss: (runs, options) => lossOf(runs, options, 'run'),
  forgetting: forgettingOf,
  dashboard: dashboardOf,
  'trade-off': tradeOffOf,
  gradients: (runs, options) =>
    gradientNormFigure(trainCurves(runs, options.x ?? 'step', 'gradient norm', 'gradNorm'), options),
  'gradient-matrices': gradientMatricesOf,
  throughput: (runs, options) =>
    throughputFigure(
      {
        tokensPerSec: trainCurves(runs, options.x ?? 'step', 'tokens/s', 'tokensPerSec'),
        rssBytes: trainCurves(runs, options.x ?? 'step', 'memory', 'rssBytes'),
      },
      options,
    ),
  mix: mixOf,
  kl: klOf,
  'token-shift': tokenShiftOf,
  contribution: contributionOf,
  'layer-map': layerMapOf,
} satisfies Record<string, (runs: RunRecords[], options: RunFigureOptions) => Figure>

export type RunFigureName = keyof typeof builders

/** The figures that can be made from the records of runs. */
export const runFigureNames = Object.keys(builders) as RunFigureName[]

/**
 * A figure of one or several runs on the same axes. Runs without the records that a figure needs give a figure that says so.
 * @throws LabError FIGURE_NAME when there is no such figure.
 */
export function runFigure(name: RunFigureName, runs: readonly RunRecords[], options: RunFigureOptions = {}): Figure {
  if (!Object.hasOwn(builders, name))
    throw new LabError(
      'FIGURE_NAME',
      `Expected a figure (${runFigureNames.join(', ')}), got "${name}".${didYouMean(name, runFigureNames)}`,
    )
  return builders[name](distinct(runs), options)
}
