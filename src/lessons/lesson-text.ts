/** A lesson as lines of a terminal. */
import { renderTerminal } from '../plot/terminal.js'
import { fitCells, printable } from '../plot/text.js'
import { formatTable } from '../util/format.js'
import type { ColoredToken, Lesson, LessonPart, MatrixPicture } from './lesson.js'

export interface LessonTextOptions {
  /** Columns that no line exceeds. */
  width: number
  /** 256 colours by ANSI escapes (default false). */
  color?: boolean
}

const FIGURE_ROWS = 16
/** Cells of a matrix picture in a terminal, across and down. */
const [ACROSS, DOWN] = [16, 8]
const shades = ' .:-=+*#%@'

export function lessonText({ number, title, parts }: Lesson, { width, color = false }: LessonTextOptions): string[] {
  const lines = parts.flatMap(part => [...draw(part, width, color), ''])
  const heading = `${number}. ${title}`
  return [color ? `\u001b[1m${heading}\u001b[0m` : heading, '', ...lines.slice(0, -1)]
}

function draw(part: LessonPart, width: number, color: boolean): string[] {
  switch (part.kind) {
    case 'text':
      return wrap(part.text, width)
    case 'table':
      return tableLines(part.header, part.rows).map(line => fitCells(printable(line), width))
    case 'figure':
      return renderTerminal(part.figure, { width, height: FIGURE_ROWS, color })
    case 'matrices':
      return matrices(part.pictures, width, color)
    case 'tokens':
      return tokens(part.tokens, { ...part, width, color })
  }
}

function tableLines(header: string[], rows: string[][]): string[] {
  const lines = formatTable(header, rows).split('\n')
  return header.every(title => title === '') ? lines.slice(2) : lines
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  for (const word of printable(text).split(' ')) {
    const joined = lines.length > 0 ? `${lines.at(-1)} ${word}` : word
    if (lines.length > 0 && joined.length <= width) lines[lines.length - 1] = joined
    else lines.push(word)
  }
  return lines
}

function matrices(pictures: MatrixPicture[], width: number, color: boolean): string[] {
  const perRow = Math.max(1, Math.floor((width + 2) / (ACROSS + 2)))
  const lines: string[] = []
  for (let at = 0; at < pictures.length; at += perRow) {
    const group = pictures.slice(at, at + perRow)
    for (let row = 0; row < DOWN; row++) lines.push(group.map(picture => matrixRow(picture, row, color)).join('  '))
    lines.push(group.map(({ name }) => fitCells(name, ACROSS).padEnd(ACROSS)).join('  '))
    lines.push(group.map(caption).join('  ').trimEnd(), '')
  }
  return lines.slice(0, -1)
}

function caption({ largest, zeroShare }: MatrixPicture): string {
  return (zeroShare === 1 ? 'all zero' : `max ${largest.toPrecision(2)}`).padEnd(ACROSS)
}

function matrixRow({ rows, columns, values, largest }: MatrixPicture, row: number, color: boolean): string {
  const y = Math.floor((row * rows) / DOWN)
  const cells = Array.from({ length: ACROSS }, (_, i) => values[y * columns + Math.floor((i * columns) / ACROSS)]!)
  const share = (value: number) => (largest === 0 ? 0 : Math.min(1, Math.abs(value) / largest))
  return cells
    .map(value => {
      const shade = shades[Math.round(share(value) * (shades.length - 1))]!
      return color && value !== 0 ? `\u001b[38;5;${value < 0 ? 32 : 166}m${shade}\u001b[0m` : shade
    })
    .join('')
}

function tokens(list: ColoredToken[], look: { low: string; high: string; width: number; color: boolean }): string[] {
  const { low, high, width, color } = look
  const largest = Math.max(1e-9, ...list.map(({ value }) => Math.abs(value)))
  if (!color) {
    const strongest = [...list].sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, 12)
    const rows = strongest.map(({ text, value }) => [JSON.stringify(text), value.toFixed(3), value < 0 ? low : high])
    return tableLines(['token', 'nats', ''], rows).map(line => fitCells(line, width))
  }
  const lines = ['']
  let used = 0
  for (const { text, value } of list) {
    const shown = printable(text.replaceAll('\n', '⏎'))
    if (used + shown.length > width) {
      lines.push('')
      used = 0
    }
    lines[lines.length - 1] +=
      Math.abs(value) < largest / 10 ? shown : `\u001b[48;5;${value < 0 ? 24 : 130}m${shown}\u001b[0m`
    used += shown.length
    if (text.includes('\n')) {
      lines.push('')
      used = 0
    }
  }
  return [...lines.filter(line => line !== ''), `blue: ${low}, orange: ${high}, at most ${largest.toFixed(2)} nats`]
}
