import type { Session } from 'node:inspector'
import { Worker } from 'node:worker_threads'

/** Slots of the interrupt buffer: the request, set by any thread, and what the main thread is doing. */
const REQUEST = 0
const STATE = 1

const IDLE = 0
/** The synchronous part of a cell is on the stack, under an inspector call that absorbs a termination. */
const EVALUATING = 1
/** The watcher is about to terminate that part. */
const TERMINATING = 2

// Plain JavaScript in a string: it starts at once from sources and from the build alike.
const watcherSource = `
const { Session } = require('node:inspector')
const { parentPort, workerData } = require('node:worker_threads')
const slots = new Int32Array(workerData)
const session = new Session()
session.connectToMainThread()
for (;;) {
  Atomics.wait(slots, ${REQUEST}, 0, 50)
  if (Atomics.load(slots, ${REQUEST}) === 0) continue
  parentPort.postMessage('interrupt')
  const until = Date.now() + 100
  while (Atomics.load(slots, ${REQUEST}) !== 0 && Date.now() < until) Atomics.wait(slots, ${REQUEST}, 1, 20)
  if (Atomics.load(slots, ${REQUEST}) === 0) continue
  if (Atomics.compareExchange(slots, ${STATE}, ${EVALUATING}, ${TERMINATING}) !== ${EVALUATING}) continue
  session.post('Runtime.terminateExecution')
  while (Atomics.load(slots, ${STATE}) === ${TERMINATING}) Atomics.wait(slots, ${STATE}, ${TERMINATING}, 20)
}
`

/**
 * Interrupts from other threads. Setting `buffer[0] = 1` (an Int32Array on it) asks the running cell to stop. Three things
 * serve the request, whichever comes first:
 * - loops of cell code read the slot and throw, wherever they run;
 * - the main thread, when it is free, is told by the watcher thread and abandons what the cell awaits;
 * - when the main thread has not answered for 100 ms and the synchronous part of a cell is on its stack, the watcher
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
    const worker = new Worker(watcherSource, { eval: true, workerData: this.buffer, execArgv: [] })
    worker.unref()
    worker.on('message', () => {
      if (this.requested) this.#onInterrupt()
      this.reset()
    })
    return worker
  }

  /** Whether a stop was asked for that no cell has answered yet. */
  get requested(): boolean {
    return Atomics.load(this.slots, REQUEST) !== 0
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
