import { inspect } from 'node:util'
import { withPlainText } from './display.js'
import { trimStack } from './errors.js'
import { describeLibraryValue, escapeHtml } from './rich-library.js'
import type { Sources } from './sources.js'
import type { MimeBundle, TextLook } from './types.js'

/** How objects say what they look like in a notebook: a method that returns a MIME bundle (Deno's convention). */
const displayMethod = Symbol.for('Jupyter.display')

/** A notebook's own width is not known. */
const notebookLook: TextLook = { width: 100, height: 30, color: false }

const ROWS_SHOWN = 20
const CELL_CHARS = 40

/** A value as a MIME bundle, with `text/plain` always; a promise for values that have to be computed first. */
export function renderValue(value: unknown, sources: Sources, look = notebookLook): MimeBundle | Promise<MimeBundle> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return plain(value)
  const method: unknown = (value as { [displayMethod]?: unknown })[displayMethod]
  if (typeof method === 'function') return ownDisplay(value, method as () => unknown)
  if (value instanceof Error) return { 'text/plain': trimStack(value, sources).text }
  if (isTable(value)) return tableBundle(value)
  return describeLibraryValue(value, look) ?? plain(value)
}

function plain(value: unknown): MimeBundle {
  const text = inspect(value, { depth: 4, maxArrayLength: 50, maxStringLength: 10_000, breakLength: 100 })
  return { 'text/plain': text }
}

async function ownDisplay(value: object, method: () => unknown): Promise<MimeBundle> {
  const bundle: unknown = await method.call(value)
  if (typeof bundle !== 'object' || bundle === null)
    throw new TypeError(`Symbol.for('Jupyter.display') must return a MIME bundle, got ${inspect(bundle)}`)
  return withPlainText(bundle as MimeBundle)
}

/** What we use of an arquero table; it is known by its methods, whichever copy of the package made it. */
interface Table {
  numRows(): number
  numCols(): number
  columnNames(): string[]
  get(name: string, row: number): unknown
  rename(names: Record<string, string>): Table
  toHTML(options: { limit: number }): string
}

function isTable(value: object): value is Table {
  const table = value as Partial<Record<keyof Table, unknown>>
  return [table.numRows, table.numCols, table.columnNames, table.get, table.rename, table.toHTML].every(
    it => typeof it === 'function',
  )
}

function tableBundle(table: Table): MimeBundle {
  const [rows, shown] = [table.numRows(), Math.min(table.numRows(), ROWS_SHOWN)]
  const note = `${rows} rows x ${table.numCols()} columns${shown < rows ? `, the first ${shown} shown` : ''}`
  const names = table.columnNames()
  const cells = Array.from({ length: shown }, (_, row) => names.map(name => cellText(table.get(name, row))))
  return {
    'text/html': `${tableHtml(table, names)}<p>${note}</p>`,
    'text/plain': `${alignColumns([names, ...cells])}\n${note}`,
  }
}

/** The table's own HTML escapes cells but not the names of columns, which are data as well: they are put in afterwards. */
function tableHtml(table: Table, names: readonly string[]): string {
  const numbered = table.rename(Object.fromEntries(names.map((name, i) => [name, `column${i}`])))
  const html = numbered.toHTML({ limit: ROWS_SHOWN })
  const body = html.indexOf('</thead>')
  const head = html.slice(0, body).replace(/column(\d+)(?=<\/th>)/g, (_, i) => escapeHtml(names[i]!))
  return head + html.slice(body)
}

function cellText(value: unknown): string {
  // as the table's own HTML: what rounding has left of a small negative number
  if (value === 0) return '0'
  const text = typeof value === 'string' ? value.replaceAll('\n', '\\n') : inspect(value, { breakLength: Infinity })
  return text.length > CELL_CHARS ? `${text.slice(0, CELL_CHARS - 1)}…` : text
}

function alignColumns(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]!.length)))
  return rows
    .map(row =>
      row
        .map((text, i) => text.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
