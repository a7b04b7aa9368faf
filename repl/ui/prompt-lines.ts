/** The typed text as lines of the screen: wrapped, painted, with the place of the cursor. */
import { graphemes, graphemeWidth, textWidth } from '../editor/width.js'
import type { Span } from './highlight.js'
import { type Look, paintSpan } from './look.js'

export interface PromptLook {
  text: string
  cursor: number
  /** Before the first line, plain; further lines get dots of the same width. */
  label: string
  /** After the text, while the cursor is at its end. */
  suggestion: string
  spans: readonly Span[]
  columns: number
  /** Lines at most; the part around the cursor is shown. */
  maxLines: number
  look: Look
}

export interface PromptLines {
  lines: string[]
  cursor: { x: number; y: number }
}

/** A line of the screen: a piece of the text. */
interface Row {
  start: number
  end: number
  /** Whether it begins a line of the text. */
  isFirst: boolean
}

/** Cuts the text where lines end and where the screen does. A row keeps a column for the cursor behind its last character. */
function rowsOf(text: string, width: number): Row[] {
  const rows: Row[] = []
  let at = 0
  for (const line of text.split('\n')) {
    let [start, used, isFirst] = [at, 0, true]
    for (const one of graphemes(line)) {
      const columns = graphemeWidth(one)
      if (used + columns > width) {
        rows.push({ start, end: at, isFirst })
        ;[start, used, isFirst] = [at, 0, false]
      }
      used += columns
      at += one.length
    }
    rows.push({ start, end: at, isFirst })
    at++
  }
  return rows
}

function paint(text: string, { start, end }: Row, spans: readonly Span[], look: Look): string {
  let out = ''
  let at = start
  for (const span of spans) {
    const [from, to] = [Math.max(span.start, at), Math.min(span.end, end)]
    if (from >= to) continue
    out += text.slice(at, from) + paintSpan(look, span.kind, text.slice(from, to))
    at = to
  }
  return out + text.slice(at, end)
}

export function promptLines(options: PromptLook): PromptLines {
  const { text, cursor, label, suggestion, spans, columns, maxLines, look } = options
  const indent = textWidth(label)
  const width = Math.max(4, columns - indent - 1)
  const rows = rowsOf(text, width)
  const current = rows.filter(row => row.start <= cursor).length - 1
  const dots = `${' '.repeat(Math.max(0, indent - 5))}...: `.slice(-indent || undefined)
  const lines = rows.map((row, index) => {
    const lead = index === 0 ? look.green(label) : row.isFirst ? look.dim(dots) : ' '.repeat(indent)
    return lead + paint(text, row, spans, look)
  })
  const x = indent + textWidth(text.slice(rows[current]!.start, cursor))
  if (suggestion !== '') {
    const [line = ''] = suggestion.split('\n')
    const room = columns - 1 - x
    const more = suggestion.includes('\n') || textWidth(line) > room ? ' …' : ''
    lines[current] += look.ghost(
      graphemes(line)
        .slice(0, Math.max(0, room - more.length))
        .join('') + more,
    )
  }
  const first = Math.max(0, Math.min(current - Math.floor(maxLines / 2), lines.length - maxLines))
  return { lines: lines.slice(first, first + maxLines), cursor: { x, y: current - first } }
}
