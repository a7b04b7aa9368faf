import type { Figure } from './figure.js'
import { HTML_SCRIPT, HTML_STYLE } from './html-assets.js'
import { toPlotly } from './plotly.js'
import { hasData } from './scale.js'
import { renderSvg } from './svg.js'
import { escapeXml } from './text.js'

/** A table of the page; columns whose cells are all numbers are aligned right. */
export interface HtmlTable {
  title: string
  header: string[]
  rows: string[][]
}

/** Text shown as it is, such as a resolved recipe; folded until the reader opens it. */
export interface HtmlText {
  title: string
  text: string
}

export interface HtmlReport {
  title: string
  figures: Figure[]
  tables?: HtmlTable[]
  texts?: HtmlText[]
}

/** JavaScript as the content of a script element: nothing in it may end the element or open a comment. */
function scriptSafe(source: string): string {
  return source.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--')
}

/** JSON as the content of a script element. */
function jsonSafe(value: unknown): string {
  return JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029')
}

/** An element around text that may be anything. */
function tag(name: string, text: string): string {
  return `<${name}>${escapeXml(text)}</${name}>`
}

/** Like escapeXml, but lines stay lines. */
function preformatted(text: string): string {
  return `<pre>${text
    .split(/\r?\n/)
    .map(line => escapeXml(line.replaceAll('\t', '    ')))
    .join('\n')}</pre>`
}

function tableHtml({ title, header, rows }: HtmlTable): string {
  const numeric = header.map((_, c) => rows.length > 0 && rows.every(row => /^[-−+]?[\d.,]+( ?%)?$/.test(row[c] ?? '')))
  const cell = (name: string, text: string, c: number) =>
    `<${name}${numeric[c] ? ' class="number"' : ''}>${escapeXml(text)}</${name}>`
  const head = `<tr>${header.map((text, c) => cell('th', text, c)).join('')}</tr>`
  const body = rows.map(row => `<tr>${row.map((text, c) => cell('td', text, c)).join('')}</tr>`).join('\n')
  return `<section>${tag('h2', title)}<div class="scroll"><table><thead>${head}</thead><tbody>${body}</tbody></table></div></section>`
}

function figureHtml(figure: Figure, index: number): string {
  const caption = figure.caption ? tag('figcaption', figure.caption) : ''
  const drawn = renderSvg({ ...figure, caption: '' })
  return `<figure><div class="figure" data-index="${index}">${drawn}</div>${caption}</figure>`
}

/**
 * A self-contained HTML page: figures that plotly.js makes interactive, each with its SVG underneath that stays where scripts do not run,
 * then tables and texts. It loads nothing from anywhere (its content security policy forbids it). Figures without data are left out
 * unless none has any.
 * @param options the text of plotly.js, from readPlotlySource
 */
export function renderHtml(report: HtmlReport, { plotlySource }: { plotlySource: string }): string {
  const full = report.figures.filter(hasData)
  const figures = full.length > 0 ? full : report.figures.slice(0, 1)
  const specs = figures.map(figure => ({ light: toPlotly(figure), dark: toPlotly(figure, { theme: 'dark' }) }))
  const texts = (report.texts ?? []).map(
    ({ title, text }) => `<details>${tag('summary', title)}${preformatted(text)}</details>`,
  )
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    tag('title', report.title),
    `<style>${HTML_STYLE}</style>`,
    '</head>',
    '<body>',
    `<main>${tag('h1', report.title)}`,
    ...figures.map(figureHtml),
    ...(report.tables ?? []).map(tableHtml),
    ...texts,
    '</main>',
    `<script type="application/json" id="figures">${jsonSafe(specs)}</script>`,
    `<script>${scriptSafe(plotlySource)}</script>`,
    `<script>${scriptSafe(HTML_SCRIPT)}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n')
}
