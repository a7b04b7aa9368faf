import { randomBytes } from 'node:crypto'
import type { Figure } from '../plot/figure.js'
import { toPlotly } from '../plot/plotly.js'
import { renderSvg } from '../plot/svg.js'
import { renderTerminal } from '../plot/terminal.js'
import { escapeXml } from '../plot/text.js'
import type { Access } from './access.js'

/** The server that a display attaches to. */
export interface LiveHost {
  readonly port: number
  readonly access: Access
}

/** What a notebook shows, by MIME type. */
export type MimeBundle = Record<string, unknown>

export interface StaticBundleOptions {
  /** Add `application/vnd.plotly.v1+json`, for front ends that draw it (default false: the file grows with every point). */
  plotly?: boolean
}

/** A figure as it stays in a saved notebook: SVG, which GitHub and every front end show, and plain text. */
export function staticBundle(figure: Figure, { plotly = false }: StaticBundleOptions = {}): MimeBundle {
  const { data, layout } = toPlotly(figure)
  return {
    ...(plotly ? { 'application/vnd.plotly.v1+json': { data, layout } } : {}),
    'image/svg+xml': renderSvg(figure, { theme: 'light' }),
    'text/plain': renderTerminal(figure, { width: 100, height: 24 }).join('\n'),
  }
}

/**
 * A place in a notebook for the live page. Drawn again, it goes on with the token that its first drawing was given, as long as the
 * notebook's page is open.
 */
export interface LiveOutput {
  readonly id: string
  readonly ticket: string
}

/** @param options whether the reader of the notebook may also pause, stop and move gates (default false) */
export function liveOutput(server: LiveHost, { canWrite = false }: { canWrite?: boolean } = {}): LiveOutput {
  const id = `live-${randomBytes(8).toString('hex')}`
  return { id, ticket: server.access.issueTicket(canWrite ? 'write' : 'read') }
}

export interface LiveFrameOptions {
  /** Figures of the live page (default `forgetting`, `loss`). */
  figures?: readonly string[]
  /** Pixels of the frame (default 560). */
  height?: number
}

export interface LiveHtmlOptions extends LiveFrameOptions {
  /** Whether the reader of the notebook may also pause, stop and move gates (default false). */
  canWrite?: boolean
}

/**
 * Finds the token of a ticket and puts the live page into the frame; pictures that carry the number of the output are hidden then. The
 * token is kept in the window alone, under that number, so that the output can be drawn again (a notebook does it when one scrolls) as
 * long as the notebook's page is open.
 */
const ATTACH = `(function (box, base, ticket, id, query) {
  var kept = (window.llamaProTokens = window.llamaProTokens || {})
  function show(token) {
    var frame = box.querySelector('iframe')
    frame.src = base + '/embed?token=' + token + query
    frame.onload = function () {
      frame.hidden = false
      if (document.getElementById(id + '-style')) return
      var style = document.createElement('style')
      style.id = id + '-style'
      style.textContent = 'img[src*="' + id + '"]{display:none}'
      document.head.appendChild(style)
    }
  }
  function ask() {
    return fetch(base + '/ticket', { method: 'POST', body: ticket }).then(function (answer) {
      return answer.ok ? answer.text() : Promise.reject(new Error('spent'))
    })
  }
  kept[id] = kept[id] || ask()
  kept[id].then(show, function () {})
})`

/** The figure as an SVG that the live page of an output hides, wherever it stands in the notebook. */
function coveredSvg(figure: Figure, { id }: LiveOutput): string {
  return renderSvg(figure, { theme: 'light' }).replace('<svg ', `<svg data-live="${id}" `)
}

/**
 * The HTML of a display that attaches to the live server: nothing to see until the page is there. It carries no token but a ticket that is
 * worth one, once, within two minutes (see `Access`); in a saved notebook it is spent. Nothing of plotly.js is in it.
 */
export function liveFrame(server: LiveHost, output: LiveOutput, options: LiveFrameOptions = {}): string {
  return frameHtml(server, output, options, '')
}

function frameHtml(
  server: LiveHost,
  { id, ticket }: LiveOutput,
  { figures = ['forgetting', 'loss'], height = 560 }: LiveFrameOptions,
  picture: string,
): string {
  const base = `http://127.0.0.1:${server.port}`
  const query = `&figures=${encodeURIComponent(figures.join(','))}`
  const given = [base, ticket, id, query].map(text => JSON.stringify(text).replaceAll('<', '\\u003c')).join(',')
  return [
    `<div id="${id}">${picture}`,
    `<iframe hidden title="live runs" style="width:100%;height:${height}px;border:0"></iframe>`,
    `<script>${ATTACH}(document.getElementById(${JSON.stringify(id)}),${given})</script>`,
    '</div>',
  ].join('\n')
}

/** As {@link liveFrame}, with the figure as a picture, which the live page covers where scripts run and the server answers. */
export function liveHtml(server: LiveHost, figure: Figure, options: LiveHtmlOptions = {}): string {
  const output = liveOutput(server, options)
  // escapes everything that could end the attribute, and keeps the number of the output as it is
  const source = encodeURIComponent(coveredSvg(figure, output)).replaceAll("'", '%27')
  const picture = `<img alt="${escapeXml(figure.title)}" src="data:image/svg+xml,${source}" style="max-width:100%">`
  return frameHtml(server, output, options, picture)
}

/** A display of runs that go on: live HTML, and the figure as SVG and text for whoever cannot run it (VS Code, GitHub, a notebook that is not trusted). */
export function liveBundle(server: LiveHost, figure: Figure, options: LiveHtmlOptions = {}): MimeBundle {
  return { 'text/html': liveHtml(server, figure, options), ...staticBundle(figure) }
}

/**
 * The picture beside a {@link liveFrame}: it can be drawn anew without loading the live page again, which hides it as long as it is there.
 * Replace it by {@link staticBundle} when the run has ended.
 */
export function coveredBundle(figure: Figure, output: LiveOutput): MimeBundle {
  return { ...staticBundle(figure), 'image/svg+xml': coveredSvg(figure, output) }
}
