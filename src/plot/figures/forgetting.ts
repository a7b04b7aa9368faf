import { axis, type Figure, type LineSeries, values } from '../figure.js'
import { assignColors, dashesOf, runStyle } from '../palette.js'
import { type Curve, type CurveOptions, curvePanel, runsOf } from './curves.js'

/** Units of a loss on held-out text. */
export type LossUnit = 'nats' | 'bitsPerByte'

const unitNames: Record<LossUnit, string> = { nats: 'nats/token', bitsPerByte: 'bits/byte' }

/**
 * Forgetting: one line per probe, the loss minus its value before training, with its confidence band and a zero line. Colour is the
 * probe, dash and marker are the run. `y`, `low`, `high` in the unit given.
 */
export function forgettingFigure(curves: Curve[], options: CurveOptions & { unit?: LossUnit } = {}): Figure {
  const unit = unitNames[options.unit ?? 'nats']
  const panel = curvePanel(curves, {
    ...options,
    logY: false,
    colorBy: 'name',
    yAxis: axis('change of loss since step 0', { unit }),
    zeroLine: true,
    notes: [{ kind: 'note', text: '↑ forgotten  ↓ learned' }],
  })
  const caption = 'Loss on held-out text minus its value before training. Bands: confidence interval of the difference.'
  return { title: 'Forgetting', caption, columns: 1, panels: [panel] }
}

/** Divergence of the model from the base it grew from, per probe, in nats/token. */
export function klFigure(curves: Curve[], options: CurveOptions = {}): Figure {
  const yAxis = axis('KL(base ‖ model)', { unit: 'nats/token' })
  const panel = curvePanel(curves, { ...options, colorBy: 'name', yAxis, zeroLine: true })
  return {
    title: 'Distance from the base model',
    caption: 'Mean divergence of the next-token distribution.',
    columns: 1,
    panels: [panel],
  }
}

/** The path of one run through the plane of learning and forgetting, one point per evaluation, in the order of training. */
export interface TradeOffPath {
  run: string
  /** Decrease of the loss on the new domain: positive is learned. */
  learned: ArrayLike<number | null>
  /** Increase of the loss on the old domain: positive is forgotten. */
  forgotten: ArrayLike<number | null>
}

export interface TradeOffOptions extends Pick<CurveOptions, 'allRuns'> {
  unit?: LossUnit
  /** What the new and the old domain are called. */
  learnedFrom: string
  forgottenFrom: string
}

/** Learning against forgetting: one path per run from (0, 0); right is better, down is better. */
export function tradeOffFigure(
  paths: TradeOffPath[],
  { unit = 'nats', learnedFrom, forgottenFrom, allRuns }: TradeOffOptions,
): Figure {
  const runs = runsOf(paths, allRuns)
  const colors = assignColors(runs)
  const dashes = dashesOf(colors)
  const series = paths.map(({ run, learned, forgotten }): LineSeries => {
    const { marker } = runStyle(runs.indexOf(run))
    const [x, y] = [values(learned), values(forgotten)]
    return {
      kind: 'line',
      name: run,
      group: run,
      x,
      y,
      color: colors.get(run)!,
      dash: dashes.get(run)!,
      marker,
      faint: false,
      label: run,
    }
  })
  const panel = {
    title: '',
    xAxis: axis(`learned: loss decrease on ${learnedFrom}`, { unit: unitNames[unit] }),
    yAxis: axis(`forgotten: loss increase on ${forgottenFrom}`, { unit: unitNames[unit] }),
    zeroLine: true,
    series,
    annotations: [{ kind: 'note' as const, text: 'better: right and down' }],
    legend: series.map(({ name, color, dash, marker }) => ({
      label: name,
      color,
      dash,
      marker,
      swatch: 'line' as const,
    })),
  }
  const caption = '(0, 0) is the model before training; each marker is one evaluation.'
  return { title: 'Learning against forgetting', caption, columns: 1, panels: [panel] }
}
