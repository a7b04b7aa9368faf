import type { WebSocket } from 'ws'
import type { RunFigureName } from '../forgetting/figures.js'
import { messageOf } from '../util/errors.js'
import type { Permission } from './access.js'
import type { LiveScore, LiveWalk } from './controls.js'
import type { FigureDrawer } from './draw.js'
import type { LiveRun } from './live-run.js'
import type { TailPosition } from './metrics-tail.js'
import {
  type ClientMessage,
  parseClientMessage,
  type RunRow,
  recordsMessage,
  type ServerMessage,
  type View,
} from './protocol.js'

/** Bytes waiting to be sent above which nothing more is sent. */
const HIGH_WATER_BYTES = 1 << 20

/** Bytes of records sent of one run in one tick. */
const RECORDS_BYTES = 1 << 18

/** Time between two versions of one figure at least. */
const FIGURE_MS = 200

/** The same for a figure that is empty so far: pages ask for it out of sight too, and it shall not hold up those that are seen. */
const EMPTY_FIGURE_MS = 1000

/** What a client is told of the world, besides records and figures. */
export interface ClientWorld {
  runs(): readonly LiveRun[]
  rows(): RunRow[]
  gates(): [layer: number, value: number][]
  control(message: Extract<ClientMessage, { type: 'control' | 'gate' }>): Promise<void>
  readonly drawer: FigureDrawer
  readonly hasSession: boolean
  readonly walk: LiveWalk | null
  readonly scores: (() => Promise<readonly LiveScore[]>) | null
}

interface FigureState {
  sentKey: string
  sentJson: string
  /** Not before this time is it drawn again. */
  dueMs: number
  isOnItsWay: boolean
}

interface RunState extends TailPosition {
  resets: number
}

/** One open page. Sends what has changed, as fast as the page can take it. */
export class LiveClient {
  readonly #socket: WebSocket
  readonly #permission: Permission
  readonly #world: ClientWorld
  readonly #figures = new Map<RunFigureName, FigureState>()
  readonly #runs = new Map<string, RunState>()
  #claims: Record<string, TailPosition> = {}
  #history = 0
  #isFollowing = false
  #view: View | null = null
  #sentRows = ''
  #sentGates = ''
  #isTicking = false
  #told: string | null = null

  constructor(socket: WebSocket, permission: Permission, world: ClientWorld) {
    this.#socket = socket
    this.#permission = permission
    this.#world = world
    socket.on('message', (data, isBinary) => this.#receive(isBinary ? '' : data.toString()))
    const canWrite = permission === 'write'
    const walk = canWrite ? (world.walk?.names ?? []) : []
    this.#send({
      type: 'hello',
      canWrite,
      hasSession: world.hasSession,
      canScore: canWrite && world.scores !== null,
      walk,
    })
  }

  /**
   * Sends what is new. Called ten times a second; passes when the last one is not done or the client does not keep up. What goes
   * wrong is told to the client, once, and never thrown.
   * @param problem what went wrong when the runs were read
   */
  async tick(problem: string | null): Promise<void> {
    if (this.#isTicking || this.#socket.bufferedAmount > HIGH_WATER_BYTES) return
    this.#isTicking = true
    try {
      this.#tell(problem)
      this.#sendRows()
      if (this.#isFollowing) for (const run of this.#world.runs()) await this.#sendRecords(run)
      this.#sendFigures()
    } catch (error) {
      this.#tell(messageOf(error))
    } finally {
      this.#isTicking = false
    }
  }

  #receive(text: string): void {
    let message: ClientMessage
    try {
      message = parseClientMessage(text)
    } catch (error) {
      this.#send({ type: 'error', message: messageOf(error) })
      return
    }
    this.#take(message)
  }

  #take(message: ClientMessage): void {
    switch (message.type) {
      case 'follow':
        this.#follow(message)
        break
      case 'view':
        this.#view = message.view
        for (const name of this.#figures.keys()) if (!message.figures.includes(name)) this.#figures.delete(name)
        for (const name of message.figures) this.#expect(name)
        break
      case 'drawn': {
        const state = this.#figures.get(message.figure as RunFigureName)
        if (state) state.isOnItsWay = false
        break
      }
      default:
        void this.#control(message)
    }
  }

  #follow({ from, history, more }: Extract<ClientMessage, { type: 'follow' }>): void {
    if (this.#isFollowing) this.#claims = {}
    Object.assign(this.#claims, from)
    this.#isFollowing = !more
    if (more) return
    this.#runs.clear()
    this.#history = history
  }

  /** A figure that is asked for anew is sent at once. */
  #expect(name: RunFigureName): void {
    const state = this.#figures.get(name)
    if (state) state.dueMs = 0
    else this.#figures.set(name, { sentKey: '', sentJson: '', dueMs: 0, isOnItsWay: false })
  }

  async #control(message: Extract<ClientMessage, { type: 'control' | 'gate' }>): Promise<void> {
    const refused = this.#permission === 'write' ? null : 'this page may only watch: its token does not allow control'
    const failure = refused ?? (await this.#world.control(message).then(() => null, messageOf))
    this.#send({ type: 'result', id: message.id, error: failure })
  }

  #sendRows(): void {
    const rows = JSON.stringify(this.#world.rows())
    if (rows !== this.#sentRows) this.#sendText(`{"type":"runs","runs":${(this.#sentRows = rows)}}`)
    const gates = JSON.stringify(this.#world.gates())
    if (gates !== this.#sentGates) this.#sendText(`{"type":"gates","gates":${(this.#sentGates = gates)}}`)
  }

  async #sendRecords(run: LiveRun): Promise<void> {
    const state = this.#stateOf(run)
    if (!state || state.next >= run.tail.next) return
    const from = state.next
    const lines = await run.tail.lines(from, { maxBytes: RECORDS_BYTES })
    // cut under our hands: the next update tells, and so does the next tick
    if (lines === null || lines.length === 0 || state.resets !== run.resets) return
    state.next += lines.length
    state.mark = run.tail.markBefore(state.next)
    this.#sendText(recordsMessage(run.name, { from, mark: state.mark, lines }))
  }

  /** How far the client has the records of a run; null until that can be known. */
  #stateOf(run: LiveRun): RunState | null {
    const known = this.#runs.get(run.name)
    if (known && known.resets === run.resets) return known
    if (!run.isRead) return null
    const claim = known ? undefined : this.#claims[run.name]
    const isTrue = claim !== undefined && run.tail.isPrefix(claim)
    const next = isTrue ? claim.next : Math.max(0, run.tail.next - this.#history)
    const state = { next, mark: run.tail.markBefore(next), resets: run.resets }
    this.#runs.set(run.name, state)
    // who held something that is no longer true must drop it
    if ((claim && !isTrue) || known) this.#send({ type: 'reset', run: run.name, next })
    return state
  }

  #sendFigures(): void {
    const view = this.#view
    if (!view) return
    const now = performance.now()
    const due = [...this.#figures].filter(([, state]) => !state.isOnItsWay && state.dueMs <= now)
    for (const [name, state] of due.sort(([, a], [, b]) => a.dueMs - b.dueMs)) {
      if (!this.#world.drawer.isRested) return
      try {
        this.#sendFigure(name, state, view)
      } catch (error) {
        // one that cannot be drawn keeps none of the others back
        state.dueMs = performance.now() + FIGURE_MS
        this.#tell(messageOf(error))
      }
    }
  }

  #sendFigure(name: RunFigureName, state: FigureState, view: View): void {
    const drawn = this.#world.drawer.draw(name, this.#world.runs(), view)
    if (drawn.key === state.sentKey) return
    state.sentKey = drawn.key
    state.dueMs = performance.now() + (drawn.hasData ? FIGURE_MS : EMPTY_FIGURE_MS)
    // an event or a probe of another kind changes the key, not the picture
    if (drawn.json === state.sentJson) return
    state.sentJson = drawn.json
    state.isOnItsWay = true
    this.#sendText(drawn.json)
  }

  #tell(problem: string | null): void {
    if (problem === null || problem === this.#told) return
    this.#told = problem
    this.#send({ type: 'error', message: problem })
  }

  #send(message: ServerMessage): void {
    this.#sendText(JSON.stringify(message))
  }

  #sendText(text: string): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(text)
  }
}
