import { sampleIndices } from '../downsample.js'
import {
  axis,
  type BandSeries,
  type ColorName,
  drawable,
  type Figure,
  type Panel,
  type Value,
  values,
} from '../figure.js'
import { assignColors } from '../palette.js'
import { type CurveOptions, xAxisOf } from './curves.js'

/** Amounts of several parts at each x, for one panel. Only their proportions matter; a missing amount counts as nothing. */
export interface SharesInput {
  title: string
  x: ArrayLike<number>
  parts: { name: string; amounts: ArrayLike<number | null> }[]
}

function amount(value: number | null | undefined): number {
  return drawable(value) && value > 0 ? value : 0
}

function bands({ x, parts }: SharesInput, colors: Map<string, ColorName>, maxPoints: number): BandSeries[] {
  const all = values(x)
  const totals = all.map((_, i) => parts.reduce((sum, part) => sum + amount(part.amounts[i]), 0))
  const indices = sampleIndices(all, totals, { maxPoints, method: 'lttb' })
  let below: Value[] = indices.map(i => (totals[i]! > 0 ? 0 : null))
  return parts.map(({ name, amounts }) => {
    const low = below
    const high = indices.map((i, k) => (low[k] == null ? null : low[k]! + amount(amounts[i]) / totals[i]!))
    below = high
    const kept = indices.map(i => all[i] ?? null)
    return { kind: 'band', name, group: name, x: kept, low, high, color: colors.get(name)!, solid: true, label: name }
  })
}

/** Parts of a whole over training, stacked to 100 %, one panel per input: data mix served, token-shift classes. */
export function sharesFigure(
  title: string,
  inputs: SharesInput[],
  options: CurveOptions & { caption?: string; colors?: Map<string, ColorName> } = {},
): Figure {
  const names = [...new Set(inputs.flatMap(input => input.parts.map(part => part.name)))]
  const colors = options.colors ?? assignColors(names)
  const panels = inputs.map(
    (input): Panel => ({
      title: input.title,
      xAxis: xAxisOf(options),
      yAxis: axis('share', { format: 'percent', min: 0, max: 1 }),
      zeroLine: false,
      series: bands(input, colors, options.maxPoints ?? 600),
      annotations: [],
      legend: input.parts.map(({ name }) => ({
        label: name,
        color: colors.get(name)!,
        dash: 'solid',
        marker: 'none',
        swatch: 'area',
      })),
    }),
  )
  return { title, caption: options.caption ?? '', columns: Math.min(2, panels.length), panels }
}
