import { sampleIndices } from '../downsample.js'
import {
  type Annotation,
  type Axis,
  axis,
  type BandSeries,
  type ColorName,
  drawable,
  type LegendEntry,
  type LineSeries,
  type Panel,
  type Series,
  type Value,
} from '../figure.js'
import { assignColors, dashesOf, neutralColor, runStyle } from '../palette.js'
import { smooth } from '../smooth.js'
import { withoutOutliers } from './outliers.js'

/** One measured quantity of one run. `low` and `high` bound it where a confidence is known; arrays are of equal length and are not changed. */
export interface Curve {
  run: string
  name: string
  x: ArrayLike<number>
  y: ArrayLike<number | null>
  low?: ArrayLike<number | null>
  high?: ArrayLike<number | null>
}

/** What the x of a curve counts. */
export type XUnit = 'step' | 'tokens' | 'seconds'

export interface CurveOptions {
  /** Default `step`. */
  x?: XUnit
  /** Weight of the past in the moving average, in [0, 1); 0 (the default) draws the values alone. */
  smoothing?: number
  logX?: boolean
  logY?: boolean
  /** Points drawn of each curve at most; default 1500. */
  maxPoints?: number
  /** Let the outermost 5 % of the values run out of the panel instead of stretching its axis (default false). */
  clipOutliers?: boolean
  /** All runs that there are, drawn or not, so that hiding one changes no colour or dash of another; default those of the curves. */
  allRuns?: readonly string[]
  /** Runs that are only there to compare with: their lines are thin and pale, without raw values, bands and labels. */
  ghosts?: readonly string[]
  /** Moments worth a vertical line: a resume, the end of warm-up. */
  marks?: { x: number; text: string }[]
}

/**
 * What the colour of a curve stands for. With `name` and `neutral` the run is told by dash and marker; `neutral` is for a panel beside
 * others in which colour means something else. When all curves have one name, `name` colours by run.
 */
export type ColorBy = 'name' | 'run' | 'neutral'

/** The x axis that the options ask for. */
export function xAxisOf({ x = 'step', logX = false }: CurveOptions): Axis {
  const scale = logX ? 'log' : 'linear'
  if (x === 'tokens') return axis('training tokens', { scale, format: 'count' })
  if (x === 'seconds') return axis('training time', { scale, format: 'seconds' })
  return axis('optimizer step', { scale, format: 'count' })
}

interface Look {
  label: string | null
  display: string
  color: ColorName
  dash: LineSeries['dash']
  marker: LineSeries['marker']
}

function unique(names: string[]): string[] {
  return [...new Set(names)]
}

/** Markers are drawn for evaluations, not for every step of a long run. */
const MAX_MARKERS = 40

/** The runs of what is drawn, after those that keep their place although nothing of them is drawn. */
export function runsOf(drawn: readonly { run: string }[], allRuns: readonly string[] = []): string[] {
  return unique([...allRuns, ...drawn.map(one => one.run)])
}

type Strokes = (curve: Curve) => Pick<Look, 'color' | 'dash'>

function strokesOf(names: string[], runs: string[], colorBy: ColorBy): Strokes {
  const dashOf = ({ run }: Curve) => runStyle(runs.indexOf(run)).dash
  if (colorBy === 'neutral') return curve => ({ color: neutralColor(runs.indexOf(curve.run)), dash: dashOf(curve) })
  const byRun = colorBy === 'run' || (names.length === 1 && runs.length > 1)
  const colors = assignColors(byRun ? runs : names)
  const dashes = dashesOf(colors)
  return curve => ({
    color: colors.get(byRun ? curve.run : curve.name)!,
    dash: colorBy === 'run' ? dashes.get(curve.run)! : dashOf(curve),
  })
}

function looksOf(curves: Curve[], { colorBy, allRuns }: Pick<CurveOptions, 'allRuns'> & { colorBy: ColorBy }): Look[] {
  const names = unique(curves.map(curve => curve.name))
  const runs = runsOf(curves, allRuns)
  const strokeOf = strokesOf(names, runs, colorBy)
  return curves.map(curve => {
    const parts = [...(names.length > 1 ? [curve.name] : []), ...(runs.length > 1 ? [curve.run] : [])]
    return {
      label: parts.length > 0 ? parts.join(' · ') : null,
      display: parts.length > 0 ? parts.join(' · ') : curve.name,
      ...strokeOf(curve),
      marker: curve.x.length > MAX_MARKERS ? 'none' : runStyle(runs.indexOf(curve.run)).marker,
    }
  })
}

/** With several names and several runs each has its own keys: colours for the names, dashes in ink for the runs. */
function legendOf(curves: Curve[], looks: Look[]): LegendEntry[] {
  const names = unique(curves.map(curve => curve.name))
  const runs = unique(curves.map(curve => curve.run))
  const both = names.length > 1 && runs.length > 1
  const swatch = 'line'
  const nameKeys = names.map((label): LegendEntry => {
    const { color, marker } = looks[curves.findIndex(curve => curve.name === label)]!
    return { label, color, dash: 'solid', marker: both ? 'none' : marker, swatch }
  })
  const runKeys = runs.map((label): LegendEntry => {
    const { color, dash, marker } = looks[curves.findIndex(curve => curve.run === label)]!
    return { label, color: both ? 'ink' : color, dash, marker, swatch }
  })
  return [...(names.length > 1 ? nameKeys : []), ...(runs.length > 1 ? runKeys : [])]
}

type Values = ArrayLike<Value>

/** The values at some places of a curve, which is never copied as a whole: it may be long. */
function picked(all: Values, indices: number[]): Value[] {
  return indices.map(i => {
    const value = all[i]
    return drawable(value) ? value : null
  })
}

/** A smoothed curve keeps its shape with few points; of raw values every extreme counts. */
function lineOf(
  [x, y]: [Values, Values],
  { look, isRaw, faint, maxPoints }: { look: Look; isRaw: boolean; faint: boolean; maxPoints: number },
): LineSeries {
  const indices = sampleIndices(x, y, { maxPoints, method: isRaw ? 'minMax' : 'lttb' })
  return {
    kind: 'line',
    name: faint ? `${look.display} (raw)` : look.display,
    group: look.display,
    x: picked(x, indices),
    y: picked(y, indices),
    color: look.color,
    dash: faint ? 'solid' : look.dash,
    marker: faint ? 'none' : look.marker,
    faint,
    label: faint ? null : look.label,
  }
}

function bandOf(curve: Curve, look: Look, maxPoints: number): BandSeries[] {
  const { low: lows, high: highs } = curve
  // a band is unknown where too little was measured
  if (!lows || !highs || !Array.from(lows).some((low, i) => drawable(low) && drawable(highs[i]))) return []
  const { x } = curve
  const indices = sampleIndices(x, curve.y, { maxPoints, method: 'lttb' })
  const pick = (numbers: Values) => picked(numbers, indices)
  const name = `${look.display} (confidence band)`
  const [low, high] = [pick(lows), pick(highs)]
  const group = look.display
  return [{ kind: 'band', name, group, x: picked(x, indices), low, high, color: look.color, solid: false, label: null }]
}

const smoothed = (y: Values, smoothing: number): Values => (smoothing === 0 ? y : smooth(y, smoothing))

/** Series and legend of curves: bands at the back, raw lines faint behind their smoothed ones. */
export function curveSeries(
  curves: Curve[],
  options: CurveOptions & { colorBy: ColorBy },
): { series: Series[]; legend: LegendEntry[] } {
  const { smoothing = 0, maxPoints = 1500, ghosts = [] } = options
  const looks = looksOf(curves, options)
  const bands: Series[] = []
  const raw: Series[] = []
  const lines: Series[] = []
  curves.forEach((curve, i) => {
    const look = looks[i]!
    const { x, y } = curve
    if (ghosts.includes(curve.run)) {
      // as raw values are: behind everything
      const ghost = lineOf([x, smoothed(y, smoothing)], { look, isRaw: smoothing === 0, faint: false, maxPoints })
      raw.push({ ...ghost, faint: true, label: null })
      return
    }
    bands.push(...bandOf(curve, look, maxPoints))
    if (smoothing > 0) raw.push(lineOf([x, y], { look, isRaw: true, faint: true, maxPoints }))
    // a single raw value is worth no moving average; smooth() keeps it as it is
    lines.push(lineOf([x, smoothed(y, smoothing)], { look, isRaw: smoothing === 0, faint: false, maxPoints }))
  })
  return { series: [...bands, ...raw, ...lines], legend: legendOf(curves, looks) }
}

/** A panel of curves over the x axis that the options ask for. */
export function curvePanel(
  curves: Curve[],
  options: CurveOptions & { colorBy: ColorBy; yAxis: Axis; zeroLine?: boolean; notes?: Annotation[]; title?: string },
): Panel {
  const { zeroLine = false, notes = [], title = '', marks = [], logY = false, clipOutliers = false } = options
  const drawn = curveSeries(curves, options)
  const yAxis: Axis = { ...options.yAxis, scale: logY ? 'log' : options.yAxis.scale }
  return {
    title,
    xAxis: xAxisOf(options),
    // of all values: those that are drawn of a long curve are its extremes before all
    yAxis: clipOutliers
      ? withoutOutliers(
          yAxis,
          curves.map(curve => curve.y),
          { zeroLine },
        )
      : yAxis,
    zeroLine,
    ...drawn,
    annotations: [...notes, ...marks.map(mark => ({ kind: 'vline' as const, ...mark }))],
  }
}
