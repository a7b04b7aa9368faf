import { createReadStream } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setImmediate } from 'node:timers/promises'
import { type RunFigureName, runFigureNames } from '../forgetting/figures.js'
import { csvPieces } from '../plot/csv.js'
import { plotlyPath, plotlyVersion } from '../plot/plotly-source.js'
import { renderSvg } from '../plot/svg.js'
import { LabError, messageOf } from '../util/errors.js'
import { type Access, isLoopbackOrigin, isOwnHost, isOwnOrigin, loopbackSources } from './access.js'
import type { LiveScore, LiveStepOptions, LiveWalk } from './controls.js'
import { drawFigure } from './draw.js'
import type { LiveRun } from './live-run.js'
import { livePage } from './page.js'
import { PAGE_SCRIPT } from './page-script.js'
import { PAGE_STYLE } from './page-style.js'
import { parseView, type RunRow } from './protocol.js'

/** Bytes of a request that are read at most. */
const MAX_BODY_BYTES = 4096

/** What the routes need of the server. */
export interface RouteWorld {
  readonly access: Access
  readonly port: number
  runs(): readonly LiveRun[]
  rows(): RunRow[]
  /** Null without a session that has one. */
  readonly walk: LiveWalk | null
  /** Null without a session that can score. */
  readonly scores: (() => Promise<readonly LiveScore[]>) | null
  /** Brings the runs up to date. */
  update(): Promise<void>
}

interface Answer {
  status?: number
  type: string
  /** A long one comes in pieces. */
  body: string | Iterable<string>
  headers?: Record<string, string>
}

const text = (status: number, body: string): Answer => ({ status, type: 'text/plain; charset=utf-8', body })

/** Nothing from elsewhere, no frames around it but for pages of this machine (notebooks), and the token in no referrer. */
function securityHeaders(port: number, canBeFramed: boolean): Record<string, string> {
  const around = canBeFramed ? ["'self'", ...loopbackSources].join(' ') : "'none'"
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    // plotly.js writes style rules into the page
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    `connect-src 'self' ws://127.0.0.1:${port} ws://localhost:${port}`,
    `frame-ancestors ${around}`,
    "base-uri 'none'",
    "form-action 'none'",
  ]
  return {
    'content-security-policy': policy.join('; '),
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
  }
}

/** What a request asks for; null when that is no address, as `//`. */
export function urlOf({ url = '/' }: IncomingMessage): URL | null {
  return URL.canParse(url, 'http://localhost') ? new URL(url, 'http://localhost') : null
}

/** Answers one request. Whoever has no token learns nothing but that there is a server, with plotly.js. */
export async function answer(request: IncomingMessage, response: ServerResponse, world: RouteWorld): Promise<void> {
  const url = urlOf(request)
  const isEmbedded = url?.pathname === '/embed'
  const headers = securityHeaders(world.port, isEmbedded)
  const send = async ({ status = 200, type, body, headers: more = {} }: Answer) => {
    response.writeHead(status, { 'content-type': type, ...headers, ...more })
    if (typeof body === 'string') response.end(body)
    else await pipeline(inTurns(body), response)
  }
  if (!isOwnHost(request, world.port)) return send(text(403, 'unknown host'))
  if (url === null) return send(text(400, 'not an address'))
  if (url.pathname === '/ticket') return send(await exchange(request, world))
  if (!isOwnOrigin(request, world.port)) return send(text(403, 'foreign origin'))
  const isLibrary = /^\/plotly-[\w.-]+$/.test(url.pathname)
  if (!isLibrary && world.access.permissionOf(url.searchParams.get('token')) === null)
    return send(text(401, 'The token is missing or wrong. Open the address that was printed.'))
  if (request.method !== 'GET') return send(text(405, 'only GET'))
  try {
    if (isLibrary && url.pathname === plotlyRoute()) await sendPlotly(response, headers)
    else await send(await page(url, world))
  } catch (error) {
    // the browser went away in the middle, or the file could not be read to its end
    if (response.headersSent) return void response.destroy()
    const isAsked = error instanceof LabError && error.code !== 'INTERNAL'
    await send(text(isAsked ? 400 : 500, messageOf(error)))
  }
}

/** Pieces with other work of the session between them. */
async function* inTurns(pieces: Iterable<string>): AsyncGenerator<string> {
  for (const piece of pieces) {
    yield piece
    await setImmediate()
  }
}

/** The address of plotly.js: of this version for ever, and without a token, so that browsers load it once for all pages. */
function plotlyRoute(): string {
  return `/plotly-${plotlyVersion()}.js`
}

async function sendPlotly(response: ServerResponse, headers: Record<string, string>): Promise<void> {
  const cached = { ...headers, 'cache-control': 'private, max-age=31536000, immutable' }
  const source = createReadStream(plotlyPath())
  response.writeHead(200, { 'content-type': 'text/javascript', ...cached })
  await pipeline(source, response)
}

async function page(url: URL, world: RouteWorld): Promise<Answer> {
  const token = url.searchParams.get('token')!
  switch (url.pathname) {
    case '/':
    case '/embed':
      return {
        type: 'text/html; charset=utf-8',
        body: livePage({ token, isEmbedded: url.pathname === '/embed', plotly: plotlyRoute() }),
      }
    case '/page.js':
      return { type: 'text/javascript', body: PAGE_SCRIPT }
    case '/page.css':
      return { type: 'text/css', body: PAGE_STYLE }
    case '/gates/scores':
      return gateScores(token, world)
    case '/runs':
      await world.update()
      return { type: 'application/json', body: JSON.stringify(world.rows()) }
    default: {
      const metrics = /^\/runs\/([^/]+)\/metrics$/.exec(url.pathname)
      if (metrics) return metricsOf(decodeURIComponent(metrics[1]!), url, world)
      const figure = /^\/figures\/([\w-]+)\.(svg|csv|json)$/.exec(url.pathname)
      if (figure) return figureFile(figure[1]!, figure[2]!, url, world)
      const step = /^\/walk\/([\w-]+)\.svg$/.exec(url.pathname)
      if (step) return walkStep(step[1]!, url, world)
      return text(404, `nothing at ${url.pathname}`)
    }
  }
}

/** Records of a run from `from` on, as lines of JSON; header `x-next` is where to go on. */
async function metricsOf(name: string, url: URL, world: RouteWorld): Promise<Answer> {
  await world.update()
  const run = world.runs().find(one => one.name === name)
  if (!run) return text(404, `no run "${name}"`)
  const from = Number(url.searchParams.get('from') ?? 0)
  if (!Number.isSafeInteger(from) || from < 0) return text(400, 'from: expected the number of a record')
  const lines = await run.tail.lines(from)
  if (lines === null) return text(409, 'the run was cut by a resume; ask again')
  const headers = { 'x-next': String(Math.min(from, run.tail.next) + lines.length) }
  return { type: 'application/x-ndjson', body: lines.map(line => `${line}\n`).join(''), headers }
}

async function figureFile(name: string, kind: string, url: URL, world: RouteWorld): Promise<Answer> {
  await world.update()
  const known = runFigureNames.find(one => one === name)
  if (!known) return text(404, `no figure "${name}"`)
  // numbers are given as they were measured, pictures as the page draws them
  const detail = kind === 'csv' ? { maxPoints: Number.POSITIVE_INFINITY } : {}
  const view = parseView(url.searchParams.get('view') ?? '{}')
  const figure = drawFigure(known as RunFigureName, world.runs(), view, detail)
  const headers = { 'content-disposition': `attachment; filename="${name}.${kind}"` }
  if (kind === 'csv') return { type: 'text/csv; charset=utf-8', body: csvPieces(figure), headers }
  if (kind === 'svg') return { type: 'image/svg+xml', body: renderSvg(figure), headers }
  return { type: 'application/json', body: JSON.stringify(figure) }
}

/** What the gates as they are do to the held-out sets; the session computes it, so it is for those who may steer. */
async function gateScores(token: string, { access, scores }: RouteWorld): Promise<Answer> {
  if (access.permissionOf(token) !== 'write') return text(403, 'gates are measured for those who may steer')
  if (!scores) return text(404, 'there is no session that can measure')
  return { type: 'application/json', body: JSON.stringify(await scores()) }
}

/** A step of the walk; the session computes it, so it is for those who may steer. */
async function walkStep(name: string, { searchParams }: URL, { walk, access }: RouteWorld): Promise<Answer> {
  if (access.permissionOf(searchParams.get('token')) !== 'write')
    return text(403, 'the steps are computed for those who may steer')
  if (!walk?.names.includes(name)) return text(404, `no step "${name}"`)
  return { type: 'image/svg+xml', body: await walk.svg(name, stepOptions(searchParams)) }
}

/** Whether they can be is for the session to say. */
function stepOptions(query: URLSearchParams): LiveStepOptions {
  const [prompt, groups, placement] = ['prompt', 'groups', 'placement'].map(key => query.get(key))
  type Wanted = NonNullable<LiveStepOptions['expansion']>
  const expansion = { groups: Number(groups), ...(placement ? { placement: placement as Wanted['placement'] } : {}) }
  return { ...(prompt ? { prompt } : {}), ...(groups ? { expansion: expansion as Wanted } : {}) }
}

/** A ticket for a token; notebooks on this machine may ask from their own origin. */
async function exchange(request: IncomingMessage, { access }: RouteWorld): Promise<Answer> {
  const { origin } = request.headers
  if (origin === undefined || !isLoopbackOrigin(origin)) return text(403, 'foreign origin')
  const headers = {
    'access-control-allow-origin': origin,
    vary: 'origin',
    'cross-origin-resource-policy': 'cross-origin',
  }
  if (request.method !== 'POST') return { ...text(405, 'only POST'), headers }
  const token = access.redeem((await readBody(request)) ?? '')
  return { ...(token === null ? text(401, 'this ticket is spent') : text(200, token)), headers }
}

/** A short body; null when it is too long. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
