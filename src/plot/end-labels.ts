import { drawable, type Figure, type LegendEntry, type Panel, type Series } from './figure.js'
import type { Scale } from './scale.js'

/** The series of a panel that may carry their names at their ends. */
export function labelledSeries(panel: Panel): Series[] {
  return panel.series.filter(series => series.label !== null && series.kind !== 'tile' && series.kind !== 'bar')
}

/** The legend keys of all panels, each once. */
export function legendEntries(figure: Figure): LegendEntry[] {
  const seen = new Map<string, LegendEntry>()
  for (const panel of figure.panels)
    for (const entry of panel.legend) if (!seen.has(entry.label)) seen.set(entry.label, entry)
  return [...seen.values()]
}

/** The last point of a series that can be drawn, in fractions of the axes; for a solid band the middle of its end. */
export function lastPoint(series: Series, scales: { x: Scale; y: Scale }): [number, number] | null {
  if (series.kind === 'tile') return null
  for (let i = series.x.length - 1; i >= 0; i--) {
    const x = scales.x.at(series.x[i])
    const low = series.kind === 'band' ? series.low[i] : series.y[i]
    const high = series.kind === 'band' ? series.high[i] : series.y[i]
    const y = drawable(low) && drawable(high) ? scales.y.at((low + high) / 2) : null
    if (x !== null && y !== null) return [x, y]
  }
  return null
}

/** Moves positions apart to at least `gap` while keeping their order, as near to where they want to be as the range allows. */
export function spread(wanted: number[], gap: number, [low, high]: [number, number]): number[] {
  const order = wanted.map((_, i) => i).sort((a, b) => wanted[a]! - wanted[b]! || a - b)
  const placed = [...wanted]
  let previous = Number.NEGATIVE_INFINITY
  for (const i of order) previous = placed[i] = Math.max(wanted[i]!, previous + gap, low)
  let next = Number.POSITIVE_INFINITY
  for (const i of [...order].reverse()) next = placed[i] = Math.min(placed[i]!, next - gap, high)
  return placed
}
