/** Printed lines as they go into the scroll-back. */
import { textWidth } from '../editor/width.js'
import type { PrintKind } from '../session/repl-session.js'
import { highlight } from '../ui/highlight.js'
import { type Look, paintSpan } from '../ui/look.js'

type Compiler = Parameters<typeof highlight>[1]

export function inputLabel(count: number): string {
  return `In [${count}]: `
}

/** A printed text with labels and colours. */
export function paintPrint(
  { kind, text, count = 0 }: { kind: PrintKind; text: string; count?: number },
  look: Look,
  ts: Compiler,
): string {
  switch (kind) {
    case 'input':
      return paintInput(text, count, look, ts)
    case 'result': {
      const label = `Out[${count}]: `
      return look.blue(label) + (text.includes('\n') ? `\n${text}` : text)
    }
    case 'error':
      return paintError(text, look)
    case 'warning':
      return look.yellow(text)
    case 'note':
      return look.bold(text)
    case 'output':
      return text
  }
}

function paintInput(text: string, count: number, look: Look, ts: Compiler): string {
  const label = inputLabel(count)
  const dots = `${' '.repeat(Math.max(0, textWidth(label) - 5))}...: `
  let painted = ''
  let at = 0
  for (const span of highlight(text, ts)) {
    const part = text.slice(span.start, span.end)
    // a colour does not go on over the end of a line
    const lines = part.split('\n').map(line => paintSpan(look, span.kind, line))
    painted += text.slice(at, span.start) + lines.join('\n')
    at = span.end
  }
  painted += text.slice(at)
  return look.green(label) + painted.replaceAll('\n', `\n${look.dim(dots)}`)
}

const heading = /^(?:\w*(?:Error|Exception|Interrupted)\b|error TS\d|Thrown|caused by)/

/** The line that names the error is red; when there is none, all of it. */
function paintError(text: string, look: Look): string {
  const lines = text.split('\n')
  if (!lines.some(line => heading.test(line))) return lines.map(look.red).join('\n')
  return lines.map(line => (heading.test(line) ? look.red(line) : line)).join('\n')
}
