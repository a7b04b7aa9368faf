import type { Figure, Series } from './figure.js'

const header = ['panel', 'series', 'x', 'y', 'low', 'high']

/** A cell of RFC 4180: quoted where it holds a comma, a quote or a line break. */
function cell(value: string | number | null | undefined): string {
  const text = value === null || value === undefined ? '' : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

type Row = readonly (string | number | null | undefined)[]

function* rowsOf(series: Series): Generator<Row> {
  if (series.kind === 'tile') {
    for (const tile of series.tiles) yield [series.name, tile.x, tile.detail]
    return
  }
  for (const [i, x] of series.x.entries())
    yield series.kind === 'band' ? [series.name, x, null, series.low[i], series.high[i]] : [series.name, x, series.y[i]]
}

/** Rows of a piece: a long figure is written without ever being one string. */
const PIECE_ROWS = 2000

/**
 * The numbers of a figure as CSV in long form: one row a point, `panel,series,x,y,low,high`, lines end with CRLF (RFC 4180). Bands fill
 * `low` and `high`; a tile has its description as `y`. A figure that was made with `maxPoints` holds the points that are drawn of a long
 * curve, not all that were measured; with `maxPoints: Infinity` it holds all. In pieces of some thousand rows.
 */
export function* csvPieces(figure: Figure): Generator<string> {
  let lines = [line(header)]
  for (const [i, panel] of figure.panels.entries()) {
    const title = panel.title || (figure.panels.length > 1 ? `${figure.title} ${i + 1}` : figure.title)
    for (const series of panel.series)
      for (const row of rowsOf(series)) {
        lines.push(line([title, ...row]))
        if (lines.length < PIECE_ROWS) continue
        yield lines.join('')
        lines = []
      }
  }
  yield lines.join('')
}

/** As {@link csvPieces}, in one piece. */
export function figureCsv(figure: Figure): string {
  return [...csvPieces(figure)].join('')
}

function line(row: Row): string {
  return `${header.map((_, i) => cell(row[i])).join(',')}\r\n`
}
