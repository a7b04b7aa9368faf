import { formatTable } from '../../src/index.js'
import type { Output } from './output.js'
import { padVisible, visibleWidth } from './style.js'

/** Names and values in two aligned columns. */
export function pairs(out: Output, rows: readonly (readonly [string, string])[]): void {
  const width = Math.max(...rows.map(([name]) => visibleWidth(name)))
  for (const [name, value] of rows) out.line(`  ${out.style.dim(padVisible(name, width))}  ${value}`)
}

/** A block of text, moved in by two columns. */
export function indented(text: string): string {
  return text
    .split('\n')
    .map(line => (line === '' ? '' : `  ${line}`))
    .join('\n')
}

/** A table as an indented part of the report. */
export function table(out: Output, header: string[], rows: string[][]): void {
  const [titles = '', rule = '', ...body] = formatTable(header, rows).split('\n')
  out.line(indented([out.style.dim(titles), out.style.dim(rule), ...body].join('\n')))
}

/** A share as a percentage. */
export function percent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)} %`
}

/** A difference with its sign. */
export function signed(value: number, digits = 3): string {
  const text = Math.abs(value).toFixed(digits)
  return `${value < 0 && Number(text) !== 0 ? '-' : '+'}${text}`
}
