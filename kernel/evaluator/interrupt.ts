import type { Session } from 'node:inspector'
import { getHeapStatistics } from 'node:v8'
import { Worker } from 'node:worker_threads'

/** Slots of the interrupt buffer: the request, set by any thread, what the main thread is doing, why it is to stop, and which cell runs. */
const REQUEST = 0
const STATE = 1
const REASON = 2
const CELL = 3

const IDLE = 0
/** The synchronous part of a cell is on the stack, under an inspector call that absorbs a termination. */
const EVALUATING = 1
/** The watcher is about to terminate that part. */
const TERMINATING = 2

/** Values of the request: the running cell is to stop; whatever has kept the main thread from answering is to stop. */
const CELL_STOPS = 1
export const ALL_STOPS = 2

/** Somebody asked for it. */
const ASKED = 0
/** The heap is nearly full. */
const MEMORY = 1

/** How often the watcher looks, in milliseconds. */
const TICK_MS = 25
/** How long code has to stop by itself before it is terminated, in milliseconds. */
const GRACE_MS = 100
/** Share of the heap's limit by which it has to have grown since the cell began for that to be stopped. */
const GROWN = 0.02

/**
 * From where on a heap is nearly full: 85 % of its limit, and in a small one early enough for what comes next. The limit counts 48 MiB
 * that only young objects may take, and the compiler needs some 40 MiB for another cell.
 */
export function nearlyFullBytes(limitBytes: number): number {
  const room = Math.max(0.15 * limitBytes, 128 * 2 ** 20)
  return Math.max(limitBytes - room, 0.6 * limitBytes)
}

// Plain JavaScript in a string: it starts at once from sources and from the build alike.
const watcherSource = `
const { Session } = require('node:inspector')
const { parentPort, workerData } = require('node:worker_threads')
const slots = new Int32Array(workerData.buffer)
const { limitBytes, fullBytes } = workerData
const session = new Session()
session.connectToMainThread()
let since = 0
let cell = 0
let baseline = 0
let isAsking = false

function terminate() {
  if (Atomics.compareExchange(slots, ${STATE}, ${EVALUATING}, ${TERMINATING}) !== ${EVALUATING}) return
  session.post('Runtime.terminateExecution')
  while (Atomics.load(slots, ${STATE}) === ${TERMINATING}) Atomics.wait(slots, ${STATE}, ${TERMINATING}, 20)
}

function serveRequest() {
  if (Atomics.load(slots, ${REQUEST}) === 0) since = 0
  else if (since === 0) {
    since = Date.now()
    parentPort.postMessage('interrupt')
  } else if (Date.now() - since >= ${GRACE_MS}) {
    since = 0
    Atomics.compareExchange(slots, ${REQUEST}, ${CELL_STOPS}, ${ALL_STOPS})
    terminate()
  }
}

function onHeapUsage(usedBytes) {
  const running = Atomics.load(slots, ${CELL})
  if (running !== cell) {
    cell = running
    baseline = usedBytes
  }
  if (cell === 0 || usedBytes < Math.max(fullBytes, baseline + ${GROWN} * limitBytes)) return
  Atomics.store(slots, ${REASON}, ${MEMORY})
  Atomics.store(slots, ${REQUEST}, ${ALL_STOPS})
  parentPort.postMessage('interrupt')
  terminate()
}

function watchMemory() {
  if (isAsking || Atomics.load(slots, ${CELL}) === 0 || process.memoryUsage.rss() < limitBytes / 2) return
  isAsking = true
  session.post('Runtime.getHeapUsage', (error, usage) => {
    isAsking = false
    if (!error) onHeapUsage(usage.usedSize)
  })
}

setInterval(() => {
  serveRequest()
  watchMemory()
}, ${TICK_MS})
`

/**
 * Interrupts from other threads. Setting `buffer[0] = 1` (an Int32Array on it) asks the running cell to stop. Three things
 * serve the request, whichever comes first:
 * - loops of the running cell read the slot and throw; what other cells have left running does so when it blocks the main thread;
 * - the main thread, when it is free, is told by the watcher thread and abandons what the cell awaits;
 * - when the main thread has not answered for 100 ms (or the heap is nearly full) and the synchronous part of a cell is on its stack, the watcher
 *   terminates that part through the inspector. It is never done elsewhere: a termination that unwinds the frames of
 *   Node's own timers aborts the process (seen with Node 20).
 */
export class InterruptWatcher {
  readonly buffer = new SharedArrayBuffer(16)
  readonly slots = new Int32Array(this.buffer)
  #worker: Worker | null = null
  readonly #session: Session
  readonly #onInterrupt: () => void

  constructor(session: Session, onInterrupt: () => void) {
    this.#session = session
    this.#onInterrupt = onInterrupt
  }

  // With the first cell, not before it: a thread takes a tenth of a second to start.
  #start(): Worker {
    const limitBytes = getHeapStatistics().heap_size_limit
    const workerData = { buffer: this.buffer, limitBytes, fullBytes: nearlyFullBytes(limitBytes) }
    const worker = new Worker(watcherSource, { eval: true, workerData, execArgv: [] })
    worker.unref()
    worker.on('message', () => {
      if (this.requested) this.#onInterrupt()
    })
    return worker
  }

  /** Whether a stop was asked for that no cell has answered yet. */
  get requested(): boolean {
    return Atomics.load(this.slots, REQUEST) !== 0
  }

  /**
   * A cell begins. A request that stands already is for it: it was made after the cell was handed out. Only a full heap was that of
   * the cell before. @param serial its number, from 1
   */
  begin(serial: number): void {
    if (Atomics.exchange(this.slots, REASON, ASKED) === MEMORY) this.reset()
    Atomics.store(this.slots, CELL, serial)
  }

  /** The cell has ended. Returns whether it was stopped because the heap was nearly full. */
  end(): boolean {
    Atomics.store(this.slots, CELL, 0)
    this.reset()
    return Atomics.load(this.slots, REASON) === MEMORY
  }

  /** Marks the request as answered. */
  reset(): void {
    if (Atomics.exchange(this.slots, REQUEST, 0) !== 0) Atomics.notify(this.slots, REQUEST)
  }

  /** Runs `post`, a synchronous inspector call that may be terminated. */
  guard(post: () => { wasTerminated: boolean }): void {
    this.#worker ??= this.#start()
    Atomics.store(this.slots, STATE, EVALUATING)
    const { wasTerminated } = post()
    if (Atomics.compareExchange(this.slots, STATE, EVALUATING, IDLE) === EVALUATING) return
    // The termination has been decided on but did not hit: let it hit a loop of ours rather than what runs next.
    if (!wasTerminated) this.#session.post('Runtime.evaluate', { expression: 'for (;;) {}', silent: true }, () => {})
    Atomics.store(this.slots, STATE, IDLE)
    Atomics.notify(this.slots, STATE)
  }

  async dispose(): Promise<void> {
    await this.#worker?.terminate()
  }
}
