import { type Cell, type Charset, cellRows, createCells } from './cells.js'
import { labelledSeries, lastPoint, legendEntries, spread } from './end-labels.js'
import { axisTitle, type ColorName, type Figure, type LegendEntry, type Panel, panelsOf } from './figure.js'
import { palette } from './palette.js'
import { panelScales, type Scale } from './scale.js'
import { drawCells } from './terminal-series.js'
import { cellWidth, fitCells, printable } from './text.js'
import { axisTicks, type Tick } from './ticks.js'

export interface TerminalOptions {
  /** Columns that no line exceeds. */
  width: number
  /** Lines that are not exceeded. */
  height: number
  /** Whether to colour with ANSI escapes (256 colours); default false. */
  color?: boolean
  /** Default `braille`. */
  charset?: Charset
}

/** A piece of a line in one style; its width is known before any escape is added. */
interface Span {
  text: string
  color: ColorName | null
  bold?: boolean
}

type Line = Span[]

interface Look {
  color: boolean
  charset: Charset
}

const MIN_PANEL_ROWS = 6

function span(text: string, color: ColorName | null = null): Span {
  return { text: printable(text), color }
}

function widthOf(line: Line): number {
  return line.reduce((sum, part) => sum + cellWidth(part.text), 0)
}

/** Cuts a line to a width. */
function clip(line: Line, width: number): Line {
  let left = width
  return line.map(part => {
    const text = fitCells(part.text, Math.max(0, left))
    left -= cellWidth(text)
    return { ...part, text }
  })
}

function write(line: Line, color: boolean): string {
  if (!color)
    return line
      .map(part => part.text)
      .join('')
      .trimEnd()
  return line
    .filter(part => part.text !== '')
    .map(({ text, color: name, bold }) => {
      const codes = [...(bold ? ['1'] : []), ...(name && name !== 'ink' ? [`38;5;${palette[name].ansi}`] : [])]
      return codes.length > 0 ? `\u001b[${codes.join(';')}m${text}\u001b[0m` : text
    })
    .join('')
}

function spansOf(cells: Cell[]): Line {
  const line: Line = []
  for (const { char, color } of cells) {
    const last = line.at(-1)
    if (last && last.color === color) last.text += char
    else line.push({ text: char, color })
  }
  return line
}

/** Labels centred under their columns; one that would touch the label before it is left out. */
function tickLine(ticks: Tick[], scale: Scale, left: number, columns: number): string {
  let line = ''
  for (const { value, label } of ticks) {
    const text = printable(label)
    const wanted = left + Math.round(scale.at(value)! * (columns - 1)) - Math.floor(cellWidth(text) / 2)
    const start = Math.min(Math.max(0, wanted), left + columns - cellWidth(text))
    if (start < 0 || (line !== '' && start < cellWidth(line) + 1)) continue
    line += ' '.repeat(start - cellWidth(line)) + text
  }
  return line
}

function axisLine(title: string, left: number, columns: number, ascii: boolean): Line {
  const name = cellWidth(title) + 2 <= columns * 0.6 ? ` ${title}` : ''
  const rule = (ascii ? '-' : '─').repeat(Math.max(0, columns - cellWidth(name)))
  return [span(`${' '.repeat(Math.max(0, left - 1))}${ascii ? '+' : '└'}${rule}`, 'muted'), span(name, 'muted')]
}

function rowLabels(ticks: Tick[], scale: Scale, rows: number): Map<number, string> {
  const labels = new Map<number, string>()
  for (const { value, label } of ticks) labels.set(Math.round((1 - scale.at(value)!) * (rows - 1)), printable(label))
  return labels
}

function endLabels(panel: Panel, scales: { x: Scale; y: Scale }, rows: number): Map<number, Span> {
  const found = labelledSeries(panel).flatMap(series => {
    const point = lastPoint(series, scales)
    const row = point ? Math.round((1 - Math.min(1, Math.max(0, point[1]))) * (rows - 1)) : 0
    return point ? [{ row, label: span(series.label!, series.color) }] : []
  })
  const placed = spread(
    found.map(one => one.row),
    1,
    [0, rows - 1],
  )
  return new Map(found.map((one, i) => [placed[i]!, one.label]))
}

/** Zero line and marks, behind the data. */
function drawBackground(
  panel: Panel,
  scales: { x: Scale; y: Scale },
  canvas: ReturnType<typeof createCells>,
  ascii: boolean,
): void {
  const zero = panel.zeroLine ? scales.y.at(0) : null
  const { columns, rows } = canvas
  const put = (row: number, column: number, char: string) => {
    if (row >= 0 && row < rows && column >= 0 && column < columns)
      canvas.back[row * columns + column] = { char, color: 'muted' }
  }
  for (const mark of panel.annotations) {
    const at = mark.kind === 'vline' ? scales.x.at(mark.x) : null
    if (at === null) continue
    for (let row = 0; row < rows; row++) put(row, Math.round(at * (columns - 1)), ascii ? ':' : '┊')
  }
  if (zero === null) return
  for (let column = 0; column < columns; column++) put(Math.round((1 - zero) * (rows - 1)), column, ascii ? '-' : '─')
}

function panelHeading(panel: Panel): string {
  const notes = panel.annotations.flatMap(annotation => (annotation.kind === 'note' ? [annotation.text] : []))
  const title = [panel.title, axisTitle(panel.yAxis)].filter(part => part !== '').join(': ')
  return [title, ...notes].filter(part => part !== '').join('   ')
}

/** A panel as lines, `height` at most, each at most `width` wide. */
function drawPanel(panel: Panel, { width, height }: { width: number; height: number }, look: Look): Line[] {
  const scales = panelScales(panel)
  const heading = clip([span(panelHeading(panel), 'muted')], width)
  if (!scales) return [heading, [], clip([span('  no data yet', 'muted')], width)].slice(0, height)
  const ascii = look.charset === 'ascii'
  const rows = height - 3
  const yTicks = axisTicks(panel.yAxis, scales.y.domain, Math.max(2, Math.floor(rows / 3)))
  const gutter = Math.min(Math.floor(width / 3), Math.max(1, ...yTicks.map(t => cellWidth(printable(t.label)) + 2)))
  const named = labelledSeries(panel)
  const room =
    named.length > rows
      ? 0
      : Math.min(Math.floor(width / 3), Math.max(0, ...named.map(s => cellWidth(printable(s.label!)))))
  const columns = Math.max(1, width - gutter - (room > 0 ? room + 1 : 0))
  const canvas = createCells(columns, rows)
  drawBackground(panel, scales, canvas, ascii)
  for (const series of panel.series) drawCells({ canvas, scales, panel, ...look }, series)
  const left = rowLabels(yTicks, scales.y, rows)
  const right = room > 0 ? endLabels(panel, scales, rows) : new Map<number, Span>()
  const body = cellRows(canvas, look.charset).map((cells, row) => {
    const label = fitCells(left.get(row) ?? '', gutter - 2)
    const ruler = ascii ? '|' : left.has(row) ? '┤' : '│'
    const side = `${' '.repeat(Math.max(0, gutter - 1 - cellWidth(label) - 1))}${label} ${ruler}`
    const end = right.get(row)
    return clip(
      [span(side, 'muted'), ...spansOf(cells), ...(end ? [span(' '), { ...end, text: fitCells(end.text, room) }] : [])],
      width,
    )
  })
  const xTicks = axisTicks(panel.xAxis, scales.x.domain, Math.max(1, Math.floor(columns / 12)))
  const bottom = [
    axisLine(printable(axisTitle(panel.xAxis)), gutter, columns, ascii),
    [span(tickLine(xTicks, scales.x, gutter, columns), 'muted')],
  ]
  return [heading, ...body, ...bottom.map(line => clip(line, width))]
}

const legendMarks: Record<LegendEntry['dash'], string> = {
  solid: '──',
  dash: '╌╌',
  dot: '··',
  dashdot: '─·',
  longdash: '─ ',
  longdashdot: '━·',
}
const asciiMarks: Record<LegendEntry['dash'], string> = {
  solid: '--',
  dash: '- ',
  dot: '..',
  dashdot: '-.',
  longdash: '_ ',
  longdashdot: '_.',
}

function legendLine(entries: LegendEntry[], width: number, { charset }: Look): Line {
  const sample = ({ dash, swatch }: LegendEntry) =>
    charset === 'ascii' ? (swatch === 'area' ? '##' : asciiMarks[dash]) : swatch === 'area' ? '██' : legendMarks[dash]
  return clip(
    entries.flatMap(entry => [span(`${sample(entry)} `, entry.color), span(`${entry.label}   `)]),
    width,
  )
}

function beside(blocks: Line[][], widths: number): Line[] {
  const height = Math.max(...blocks.map(block => block.length))
  return Array.from({ length: height }, (_, row) =>
    blocks.flatMap((block, i) => {
      const line = block[row] ?? []
      return i === blocks.length - 1 ? line : [...line, span(' '.repeat(widths - widthOf(line) + 2))]
    }),
  )
}

/** Whether the ends of the lines leave something unsaid: keys are shown where names do not fit or colour would be the only hint. */
function needsLegend(figure: Figure, rows: number): boolean {
  return figure.panels.some(panel => {
    const named = labelledSeries(panel).length
    return panel.legend.length > 0 && (named === 0 || named > rows)
  })
}

/**
 * A figure as lines of a terminal: braille dots, axes with ticks, names at the ends of the lines or a legend. Confidence bands are left
 * out. Never more than `height` lines nor wider than `width` columns; panels for which there is no room are counted in the last line.
 */
export function renderTerminal(figure: Figure, options: TerminalOptions): string[] {
  const { width, height, color = false, charset = 'braille' } = options
  const look: Look = { color, charset }
  const title: Line = clip([{ ...span(figure.title), bold: true }], width)
  const panels = panelsOf(figure)
  const columns = width >= 100 ? Math.max(1, Math.min(figure.columns, panels.length, Math.floor(width / 50))) : 1
  const legend = needsLegend(figure, height - 5) ? [legendLine(legendEntries(figure), width, look)] : []
  const free = height - 1 - legend.length
  const wanted = Math.ceil(panels.length / columns)
  const rows = Math.min(wanted, Math.max(1, Math.floor(free / MIN_PANEL_ROWS)))
  if (free < MIN_PANEL_ROWS || width < 20) {
    return [title, clip([span('(no room for the plot)', 'muted')], width)]
      .slice(0, Math.max(0, height))
      .map(line => write(line, color))
  }
  const hidden = panels.length - rows * columns
  const more = hidden > 0 ? [clip([span(`+ ${hidden} more: needs a taller window`, 'muted')], width)] : []
  const panelHeight = Math.floor((free - more.length) / rows)
  const panelWidth = Math.floor((width - 2 * (columns - 1)) / columns)
  const blocks = panels
    .slice(0, rows * columns)
    .map(panel => drawPanel(panel, { width: panelWidth, height: panelHeight }, look))
  const body = Array.from({ length: rows }, (_, row) =>
    beside(blocks.slice(row * columns, (row + 1) * columns), panelWidth),
  )
  return [title, ...legend, ...body.flat(), ...more].map(line => write(line, color))
}
