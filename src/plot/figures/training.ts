import { axis, type Figure } from '../figure.js'
import { type ColorBy, type Curve, type CurveOptions, curvePanel } from './curves.js'

/** Default weight of the past when a noisy per-step curve is smoothed. */
export const DEFAULT_SMOOTHING = 0.9

/** Training loss of one or several runs: the smoothed line, the raw one faint behind it. `y` in nats/token. */
export function trainingLossFigure(curves: Curve[], options: CurveOptions & { colorBy?: ColorBy } = {}): Figure {
  const { smoothing = DEFAULT_SMOOTHING, colorBy = 'run' } = options
  const yAxis = axis('training loss', { unit: 'nats/token' })
  const caption = smoothing > 0 ? `Smoothed (debiased moving average, weight ${smoothing}); raw values faint.` : ''
  return {
    title: 'Training loss',
    caption,
    columns: 1,
    panels: [curvePanel(curves, { ...options, smoothing, colorBy, yAxis })],
  }
}

/** Gradient norms on a log axis: the global norm of each run, or one curve per matrix of a run. */
export function gradientNormFigure(curves: Curve[], options: CurveOptions = {}): Figure {
  const { smoothing = DEFAULT_SMOOTHING, logY = true } = options
  const severalNames = new Set(curves.map(curve => curve.name)).size > 1
  const panel = curvePanel(curves, {
    ...options,
    smoothing,
    logY,
    colorBy: severalNames ? 'name' : 'run',
    yAxis: axis('gradient norm before clipping'),
  })
  return { title: 'Gradient norms', caption: '', columns: 1, panels: [panel] }
}

/** Speed and memory of the runs, two panels. `tokensPerSec` in tokens/s, `rssBytes` in bytes. */
export function throughputFigure(
  { tokensPerSec, rssBytes }: { tokensPerSec: Curve[]; rssBytes: Curve[] },
  options: CurveOptions = {},
): Figure {
  const { smoothing = DEFAULT_SMOOTHING } = options
  const speed = axis('throughput', { unit: 'tokens/s', format: 'count', min: 0 })
  const memory = axis('resident memory', { format: 'bytes', min: 0 })
  return {
    title: 'Throughput and memory',
    caption: '',
    columns: 2,
    panels: [
      curvePanel(tokensPerSec, { ...options, smoothing, colorBy: 'run', yAxis: speed, title: 'Throughput' }),
      curvePanel(rssBytes, { ...options, smoothing: 0, colorBy: 'run', yAxis: memory, title: 'Memory' }),
    ],
  }
}
