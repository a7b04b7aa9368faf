import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { inspect } from 'node:util'
import { type WebSocket, WebSocketServer } from 'ws'
import { runFigure } from '../forgetting/figures.js'
import { assignColors, dashesOf, palette } from '../plot/palette.js'
import { LabError, messageOf } from '../util/errors.js'
import { Access, isOwnHost, isOwnOrigin, type LiveTokens } from './access.js'
import { type ClientWorld, LiveClient } from './client.js'
import { control, type LiveControls, type LiveScore, type LiveWalk } from './controls.js'
import { FigureDrawer } from './draw.js'
import type { LiveRun } from './live-run.js'
import { liveBundle, type MimeBundle } from './notebook.js'
import type { ClientMessage, RunRow } from './protocol.js'
import { answer, type RouteWorld, urlOf } from './routes.js'
import { RunFolder } from './run-folder.js'

const ADDRESS = '127.0.0.1'

/** Ten times a second files are looked at and clients told. */
const TICK_MS = 100

/** New run directories are looked for every so many ticks. */
const SCAN_TICKS = 10

/** A client that does not answer a ping until the next one is gone. */
const PING_MS = 15_000

/** Largest message that a client may send: a view that hides a thousand runs fits. */
const MAX_MESSAGE_BYTES = 1 << 20

const MAX_CLIENTS = 32

export interface LiveServerOptions {
  /** Run directories, or directories of runs. */
  runs: readonly string[]
  /** 0 (the default) takes a free one. */
  port?: number
  /** Tokens to go on with, so that pages that are open survive a restart on the same port; default new ones. */
  tokens?: LiveTokens
  /** The session that trains; without it pages can only watch. */
  controls?: LiveControls | null
}

/**
 * Serves the live page of runs on 127.0.0.1: their metrics are read from disk, whoever writes them, and only while somebody watches.
 * Whoever has the address with its token may watch, with the other token also steer. Close it when done.
 */
export class LiveServer implements ClientWorld, RouteWorld {
  readonly access: Access
  readonly drawer = new FigureDrawer()
  readonly #folder: RunFolder
  readonly #controls: LiveControls | null
  readonly #http: Server
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES })
  readonly #clients = new Map<WebSocket, { client: LiveClient; token: string }>()
  readonly #timers: NodeJS.Timeout[]
  #updating: Promise<void> | null = null
  #ticks = 0

  private constructor({ runs, tokens, controls = null }: LiveServerOptions) {
    this.access = new Access(tokens ? { tokens } : {})
    this.#folder = new RunFolder(runs)
    this.#controls = controls
    this.#http = createServer((request, response) => {
      answer(request, response, this).catch(error => response.destroy(error))
    })
    this.#http.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head))
    this.#timers = [setInterval(() => void this.#tick(), TICK_MS), setInterval(() => this.#ping(), PING_MS)]
  }

  /**
   * Starts a server.
   * @throws LabError LIVE_PORT when the port is taken; RUNS_DIRECTORY when a path is a file
   */
  static async start(options: LiveServerOptions): Promise<LiveServer> {
    const server = new LiveServer(options)
    try {
      await server.#listen(options.port ?? 0)
      server.#folder.scan()
      return server
    } catch (error) {
      await server.close()
      throw error
    }
  }

  get port(): number {
    return (this.#http.address() as AddressInfo).port
  }

  /** The address of the page for whoever may steer the session as well; keep it secret. */
  get url(): string {
    return this.#page(this.access.tokens.write)
  }

  /** The address of the page for whoever may only watch; keep it secret too. */
  get readUrl(): string {
    return this.#page(this.access.tokens.read)
  }

  get hasSession(): boolean {
    return this.#controls !== null
  }

  get walk(): LiveWalk | null {
    return this.#controls?.walk ?? null
  }

  get scores(): (() => Promise<readonly LiveScore[]>) | null {
    const controls = this.#controls
    return controls?.scores ? () => controls.scores!() : null
  }

  /** Pages that are open. */
  get clients(): number {
    return this.#clients.size
  }

  /** Those of them that came by a ticket. */
  clientsOf(ticket: string): number {
    return [...this.#clients.values()].filter(({ token }) => this.access.isFrom(ticket, token)).length
  }

  runs(): readonly LiveRun[] {
    return this.#folder.runs
  }

  rows(): RunRow[] {
    const active = this.#controls?.active() ?? null
    const runs = this.#folder.runs
    const colors = assignColors(runs.map(run => run.name))
    const dashes = dashesOf(colors)
    return runs.map(run => {
      const { light, dark } = palette[colors.get(run.name)!]
      const isActive = active?.dir === run.dir
      const isDashed = dashes.get(run.name) !== 'solid'
      return { ...run.summary(), color: { light, dark }, isDashed, isActive, isPaused: isActive && active.isPaused }
    })
  }

  gates(): [layer: number, value: number][] {
    return [...(this.#controls?.gates() ?? [])]
  }

  async control(message: Extract<ClientMessage, { type: 'control' | 'gate' }>): Promise<void> {
    if (message.type === 'gate') {
      await control(this.#controls, { action: 'gate', value: message.value, layer: message.layer })
      return
    }
    const run = this.#folder.byName(message.run)
    if (!run) throw new LabError('LIVE_CONTROL', `there is no run "${message.run}"`)
    await control(this.#controls, { action: message.action, runDir: run.dir })
  }

  /** Reads what is new in all runs; one reading at a time. */
  update(): Promise<void> {
    this.#updating ??= this.#read().finally(() => {
      this.#updating = null
    })
    return this.#updating
  }

  /** As a value in a program or a notebook: without its addresses, which carry tokens. */
  [inspect.custom](): string {
    const place = this.#http.listening ? `on ${ADDRESS}:${this.port}` : '(closed)'
    return `LiveServer ${place}, runs: ${this.runs().length}; its page is at .url (may steer) or .readUrl (may watch), both secret`
  }

  /** As the result of a notebook's cell: the live page itself, by a ticket, over a picture of what there is now. */
  async [Symbol.for('Jupyter.display')](): Promise<MimeBundle> {
    await this.update()
    const figure = runFigure(
      'forgetting',
      this.runs().map(run => run.records),
    )
    return { ...liveBundle(this, figure, { canWrite: true }), 'text/plain': inspect(this) }
  }

  /** Closes all pages' connections and stops listening. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    for (const socket of this.#clients.keys()) socket.terminate()
    this.#sockets.close()
    this.#http.closeAllConnections()
    await new Promise<void>(resolve => this.#http.close(() => resolve()))
    await this.#updating
  }

  #page(token: string): string {
    return `http://${ADDRESS}:${this.port}/?token=${token}`
  }

  async #listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#http.once('error', cause => {
        reject(
          new LabError('LIVE_PORT', `cannot listen on ${ADDRESS}:${port}: ${messageOf(cause)}; try --port 0`, {
            cause,
          }),
        )
      })
      this.#http.listen(port, ADDRESS, resolve)
    })
  }

  async #read(): Promise<void> {
    try {
      if (this.#ticks++ % SCAN_TICKS === 0 || this.#clients.size === 0) this.#folder.scan()
    } finally {
      await this.#folder.update()
    }
  }

  async #tick(): Promise<void> {
    if (this.#clients.size === 0 || this.#updating) return
    const problem = await this.update().then(() => null, messageOf)
    for (const { client } of this.#clients.values()) await client.tick(problem)
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // a peer that breaks off, refused or not, ends its own connection and nothing else
    socket.on('error', () => socket.destroy())
    // a refused peer may leave its own side open for ever; this one is closed all the same
    const refuse = (status: string) =>
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy())
    if (!isOwnHost(request, this.port) || !isOwnOrigin(request, this.port)) return void refuse('403 Forbidden')
    const url = urlOf(request)
    const token = url?.searchParams.get('token') ?? ''
    if (url === null) refuse('400 Bad Request')
    else if (this.access.permissionOf(token) === null) refuse('401 Unauthorized')
    else if (url.pathname !== '/live') refuse('404 Not Found')
    else if (this.#clients.size >= MAX_CLIENTS) refuse('503 Service Unavailable')
    else this.#sockets.handleUpgrade(request, socket, head, opened => this.#open(opened, token))
  }

  #open(socket: WebSocket, token: string): void {
    const client = new LiveClient(socket, this.access.permissionOf(token)!, this)
    this.#clients.set(socket, { client, token })
    waiting.delete(socket)
    socket.on('pong', () => waiting.delete(socket))
    socket.on('close', () => this.#clients.delete(socket))
    // a message that is too large, or a broken frame: ws closes the connection by itself
    socket.on('error', () => socket.terminate())
  }

  #ping(): void {
    for (const socket of this.#clients.keys()) {
      if (waiting.has(socket)) socket.terminate()
      else {
        waiting.add(socket)
        socket.ping()
      }
    }
  }
}

/** Connections that have not answered the last ping. */
const waiting = new WeakSet<WebSocket>()
