/** A lesson as one SVG picture: notebook, page and files show the same. */
import { heatColor } from '../plot/heat-map.js'
import { renderSvg } from '../plot/svg.js'
import { element, FONT, textAt } from '../plot/svg-paint.js'
import { printable, wrapPixels } from '../plot/text.js'
import type { ColoredToken, Lesson, LessonPart, MatrixPicture } from './lesson.js'

const WIDTH = 760
const MARGIN = 16
const TEXT = 13
const LINE = 19
const MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
/** Width of a character of the monospaced font at 12 pixels. */
const MONO_ADVANCE = 7.23
const PICTURE = 96
const GAP = 10

interface Drawn {
  svg: string
  height: number
}

/** Draws a lesson on white, so that it reads on any page. */
export function lessonSvg({ number, title, parts }: Lesson): string {
  const drawn = [heading(`${number}. ${title}`), ...parts.map(draw)]
  let y = MARGIN
  const groups = drawn.map(({ svg, height }) => {
    const group = `<g transform="translate(0 ${Math.round(y)})">${svg}</g>`
    y += height + 8
    return group
  })
  const height = Math.ceil(y + MARGIN - 8)
  const frame = {
    xmlns: 'http://www.w3.org/2000/svg',
    width: WIDTH,
    height,
    viewBox: `0 0 ${WIDTH} ${height}`,
    role: 'img',
  }
  const background = element('rect', { width: WIDTH, height, fill: '#fff' })
  return element('svg', { ...frame, style: 'max-width:100%;height:auto', 'font-family': FONT, 'aria-label': title }, [
    background,
    ...groups,
  ])
}

function heading(text: string): Drawn {
  return { svg: textAt(MARGIN, 18, text, { 'font-size': 17, 'font-weight': 600, fill: '#24292f' }), height: 24 }
}

function draw(part: LessonPart): Drawn {
  switch (part.kind) {
    case 'text':
      return paragraph(part.text)
    case 'table':
      return table(part.header, part.rows)
    case 'figure':
      return figure(renderSvg(part.figure, { width: WIDTH, theme: 'light' }))
    case 'matrices':
      return matrices(part.pictures)
    case 'tokens':
      return tokens(part.tokens, part)
  }
}

function paragraph(text: string): Drawn {
  const lines = wrapPixels(text, TEXT, WIDTH - 2 * MARGIN)
  const svg = lines
    .map((line, i) => textAt(MARGIN, 14 + i * LINE, line, { 'font-size': TEXT, fill: '#24292f' }))
    .join('')
  return { svg, height: lines.length * LINE }
}

function table(header: string[], rows: string[][]): Drawn {
  const widths = header.map(
    (title, c) => Math.max(title.length, ...rows.map(row => (row[c] ?? '').length)) * MONO_ADVANCE + 14,
  )
  const lefts = widths.map((_, c) => MARGIN + widths.slice(0, c).reduce((a, b) => a + b, 0))
  const line = (cells: string[], y: number, fill: string) =>
    cells
      .map((cell, c) =>
        textAt(lefts[c]!, y, cell, { 'font-size': 12, 'font-family': MONO, fill, 'xml:space': 'preserve' }),
      )
      .join('')
  const hasHeader = header.some(title => title !== '')
  const top = hasHeader ? LINE + 2 : 0
  const rule = element('path', { d: `M${MARGIN} ${LINE}h${WIDTH - 2 * MARGIN}`, stroke: '#d0d7de' })
  const head = hasHeader ? line(header, 13, '#59636e') + rule : ''
  const body = rows.map((row, i) => line(row, top + 14 + i * 17, '#24292f')).join('')
  return { svg: head + body, height: top + rows.length * 17 + 4 }
}

/** A figure is a picture of its own inside the picture. */
function figure(svg: string): Drawn {
  return { svg, height: Number(/ height="(\d+(?:\.\d+)?)"/.exec(svg)?.[1] ?? 0) }
}

function matrices(pictures: MatrixPicture[]): Drawn {
  const perRow = Math.floor((WIDTH - 2 * MARGIN + GAP) / (PICTURE + GAP))
  // twins stay side by side
  const columns = perRow - (perRow % 2)
  const cellHeight = PICTURE + 34
  const svg = pictures.map((picture, i) => {
    const [x, y] = [MARGIN + (i % columns) * (PICTURE + GAP), Math.floor(i / columns) * cellHeight]
    return `<g transform="translate(${x} ${y})">${matrix(picture)}</g>`
  })
  return { svg: svg.join(''), height: Math.ceil(pictures.length / columns) * cellHeight }
}

/** Colours of a matrix on each side of zero: more could not be told apart, and cells of one colour are one path. */
const SHADES = 24

function matrix({ name, rows, columns, values, largest, zeroShare }: MatrixPicture): string {
  const cells = new Map<string, string>()
  for (const [i, value] of values.entries()) {
    // zeros stay blank; what is no number is black
    const shade = value === 0 ? 0 : Math.round((SHADES * value) / largest)
    if (shade === 0) continue
    const color = heatColor(shade, SHADES)
    cells.set(color, `${cells.get(color) ?? ''}M${i % columns} ${Math.floor(i / columns)}h1`)
  }
  const paths = [...cells].map(([stroke, d]) => element('path', { d, stroke })).join('')
  // a cell is a stroke of length and width 1 along its middle
  const scale = `scale(${(PICTURE / columns).toFixed(4)} ${(PICTURE / rows).toFixed(4)}) translate(0 0.5)`
  const border = element('rect', { width: PICTURE, height: PICTURE, fill: 'none', stroke: '#d0d7de' })
  const caption = textAt(0, PICTURE + 13, name, { 'font-size': 10, fill: '#24292f' })
  const size = zeroShare === 1 ? 'all zero' : `largest ${largest.toPrecision(2)}`
  const detail = textAt(0, PICTURE + 25, size, { 'font-size': 10, fill: '#59636e' })
  return `<g shape-rendering="crispEdges" transform="${scale}">${paths}</g>${border}${caption}${detail}`
}

function tokens(list: ColoredToken[], { low, high }: { low: string; high: string }): Drawn {
  const largest = Math.max(1e-9, ...list.map(({ value }) => Math.abs(value)))
  let x = MARGIN
  let y = 0
  const svg: string[] = []
  for (const { text, value } of list) {
    const shown = printable(text.replaceAll('\n', '⏎').replaceAll('\t', '→'))
    const width = Math.max(4, [...shown].length * MONO_ADVANCE)
    if (x + width > WIDTH - MARGIN) [x, y] = [MARGIN, y + 20]
    const box = element('rect', { x, y, width, height: 17, fill: heatColor(value, largest) }, [
      `<title>${value.toFixed(3)} nats</title>`,
    ])
    svg.push(
      box,
      textAt(x, y + 13, shown, { 'font-size': 12, 'font-family': MONO, fill: '#24292f', 'xml:space': 'preserve' }),
    )
    x += width + 1
    if (text.includes('\n')) [x, y] = [MARGIN, y + 20]
  }
  const legend = `blue: ${low} (down to ${(-largest).toFixed(2)} nats), orange: ${high}`
  svg.push(textAt(MARGIN, y + 36, legend, { 'font-size': 11, fill: '#59636e' }))
  return { svg: svg.join(''), height: y + 42 }
}
