/** A Ctrl-C or a lost terminal that the main thread does not answer in time: a cell keeps it busy, and is stopped from another thread. */

/** Milliseconds that the main thread has to answer. */
const graceMs = 150

/** Slots that both threads see: when the main thread last answered a Ctrl-C (the low bits of the time), and how many were served without it. */
const ANSWERED = 0
const SERVED = 1

/**
 * JavaScript of the thread that sees every Ctrl-C: `onPress(Date.now())` is to be called for each, `stopCell()` when the session is to end,
 * `interruptThrough(buffer)` says where the cells are told. `workerData` has to be {@link LateInterrupt.shared}.
 */
export function lateInterruptSource({ relayMs = 0 } = {}): string {
  return `
const slots = new Int32Array(require('node:worker_threads').workerData)
let interrupt = null
const interruptThrough = buffer => { interrupt = new Int32Array(buffer) }
const stopCell = () => {
  if (interrupt === null) return
  Atomics.store(interrupt, 0, 1)
  Atomics.notify(interrupt, 0)
}
const onPress = pressed => {
  setTimeout(() => {
    if (interrupt === null || Atomics.load(slots, ${ANSWERED}) >= (pressed & 0x7fffffff) - ${relayMs}) return
    Atomics.add(slots, ${SERVED}, 1)
    stopCell()
  }, ${graceMs})
}
`
}

/** The main thread's side. */
export class LateInterrupt {
  readonly shared = new SharedArrayBuffer(8)
  readonly #slots = new Int32Array(this.shared)
  #interrupt: Int32Array | null = null

  /** Says where the cells are told; the other thread has to be told too. */
  through(buffer: SharedArrayBuffer): void {
    this.#interrupt = new Int32Array(buffer)
  }

  /**
   * The main thread has come to a Ctrl-C. False when the cell that it was meant for has been stopped by it meanwhile: it must not
   * stop what goes on beside the cell too.
   */
  answer(): boolean {
    Atomics.store(this.#slots, ANSWERED, Date.now() & 0x7fffffff)
    if (Atomics.load(this.#slots, SERVED) === 0) return true
    Atomics.sub(this.#slots, SERVED, 1)
    // a request that still stands has reached no cell
    return this.#interrupt !== null && Atomics.exchange(this.#interrupt, 0, 0) !== 0
  }
}
