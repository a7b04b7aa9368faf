import type { Figure, Series } from './figure.js'

const header = ['panel', 'series', 'x', 'y', 'low', 'high']

/** A cell of RFC 4180: quoted where it holds a comma, a quote or a line break. */
function cell(value: string | number | null | undefined): string {
  const text = value === null || value === undefined ? '' : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function rowsOf(series: Series): (string | number | null | undefined)[][] {
  switch (series.kind) {
    case 'tile':
      return series.tiles.map(tile => [series.name, tile.x, tile.detail])
    case 'band':
      return series.x.map((x, i) => [series.name, x, null, series.low[i], series.high[i]])
    default:
      return series.x.map((x, i) => [series.name, x, series.y[i]])
  }
}

/**
 * The numbers that a figure draws, as CSV in long form: one row a point, `panel,series,x,y,low,high`, lines end with CRLF (RFC 4180).
 * Bands fill `low` and `high`; a tile has its description as `y`. Long curves hold the points that are drawn, not all that were measured:
 * those are in `metrics.jsonl`.
 */
export function figureCsv(figure: Figure): string {
  const rows = figure.panels.flatMap((panel, i) => {
    const title = panel.title || (figure.panels.length > 1 ? `${figure.title} ${i + 1}` : figure.title)
    return panel.series.flatMap(series => rowsOf(series).map(row => [title, ...row]))
  })
  return [header, ...rows].map(row => `${header.map((_, i) => cell(row[i])).join(',')}\r\n`).join('')
}
