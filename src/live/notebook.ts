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

export interface LiveHtmlOptions {
  /** Figures of the live page (default `forgetting`, `loss`). */
  figures?: readonly string[]
  /** Whether the reader of the notebook may also pause, stop and move gates (default false); of an `output` its ticket decides. */
  canWrite?: boolean
  /** Pixels of the frame (default 560). */
  height?: number
  /** The place that is drawn again (default a new one). */
  output?: LiveOutput
}

/**
 * Finds the token of a ticket and puts the live page into the frame. The token is kept in the window alone, under the number of the
 * output, so that the output can be drawn again (a notebook does it when one scrolls) as long as the notebook's page is open.
 */
const ATTACH = `(function (box, base, ticket, id, query) {
  var kept = (window.llamaProTokens = window.llamaProTokens || {})
  function show(token) {
    var frame = box.querySelector('iframe')
    frame.src = base + '/embed?token=' + token + query
    frame.onload = function () { frame.hidden = false; box.querySelector('img').hidden = true }
  }
  function ask() {
    return fetch(base + '/ticket', { method: 'POST', body: ticket }).then(function (answer) {
      return answer.ok ? answer.text() : Promise.reject(new Error('spent'))
    })
  }
  kept[id] = kept[id] || ask()
  kept[id].then(show, function () {})
})`

/**
 * The HTML of a display that attaches to the live server: the figure as a picture, which the live page covers where scripts run and the
 * server answers. It carries no token but a ticket that is worth one, once, within two minutes (see `Access`): in a saved notebook it
 * is spent, and the picture stays. Nothing of plotly.js is in it.
 */
export function liveHtml(server: LiveHost, figure: Figure, options: LiveHtmlOptions = {}): string {
  const { figures = ['forgetting', 'loss'], height = 560, output = liveOutput(server, options) } = options
  const { id, ticket } = output
  const base = `http://127.0.0.1:${server.port}`
  const query = `&figures=${encodeURIComponent(figures.join(','))}`
  const picture = Buffer.from(renderSvg(figure, { theme: 'light' })).toString('base64')
  const given = [base, ticket, id, query].map(text => JSON.stringify(text).replaceAll('<', '\\u003c')).join(',')
  return [
    `<div id="${id}">`,
    `<img alt="${escapeXml(figure.title)}" src="data:image/svg+xml;base64,${picture}" style="max-width:100%">`,
    `<iframe hidden title="live runs" style="width:100%;height:${height}px;border:0"></iframe>`,
    `<script>${ATTACH}(document.getElementById(${JSON.stringify(id)}),${given})</script>`,
    '</div>',
  ].join('\n')
}

/**
 * A display of a run that goes on: live HTML, and the figure as SVG and text for whoever cannot run it (VS Code, GitHub, a notebook that
 * is not trusted). Replace it by {@link staticBundle} when the run has ended: then nothing but the picture is left in the file.
 */
export function liveBundle(server: LiveHost, figure: Figure, options: LiveHtmlOptions = {}): MimeBundle {
  return { 'text/html': liveHtml(server, figure, options), ...staticBundle(figure) }
}
