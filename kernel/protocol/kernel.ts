/** A running kernel: the server thread, and the session that answers it on this thread. */
import type { Worker } from 'node:worker_threads'
import { spawnWorker } from '../../src/util/worker.js'
import type { CellEvaluator } from './cell-evaluator.js'
import type { Comms } from './comms.js'
import type { ServerData, ServerOptions, ToMain, ToServer } from './link.js'
import { KernelSession } from './session.js'
import { createTextRing, TextRingWriter } from './text-ring.js'
import type { Json } from './wire.js'

export class Kernel {
  readonly #worker: Worker
  readonly #session: KernelSession
  /** Resolves when a front end has asked the kernel to end; rejects when the server thread has broken down. */
  readonly shutdownRequested: Promise<{ restart: boolean }>
  /** Resolves when the sockets are open; rejects when one cannot be bound. */
  readonly bound: Promise<void>
  readonly #closed: Promise<void>

  private constructor(worker: Worker, textRing: SharedArrayBuffer) {
    this.#worker = worker
    const post = (message: ToServer) => worker.postMessage(message)
    this.#session = new KernelSession(post, new TextRingWriter(textRing, () => post({ type: 'text' })))
    worker.on('message', (message: ToMain) => this.#session.onServer(message))
    this.shutdownRequested = new Promise((resolve, reject) => {
      worker.on('message', (message: ToMain) => {
        if (message.type === 'shutdown') resolve({ restart: message.restart })
        if (message.type === 'failed') reject(new Error(message.message))
      })
      worker.once('error', reject)
    })
    this.bound = new Promise((resolve, reject) => {
      worker.on('message', (message: ToMain) => {
        if (message.type === 'bound') resolve()
        if (message.type === 'failed') reject(new Error(message.message))
      })
      worker.once('error', reject)
    })
    // heard by whoever waits for them; until then they are no error of the process
    for (const promise of [this.shutdownRequested, this.bound]) promise.catch(() => {})
    this.#closed = new Promise(resolve => worker.once('exit', () => resolve()))
  }

  /** Starts the server thread; when its sockets are {@link bound}, it answers what it can, and the rest after {@link attach}. */
  static start(options: ServerOptions): Kernel {
    const textRing = createTextRing()
    const workerData: ServerData = { ...options, textRing }
    const worker = spawnWorker(new URL('./server-worker.js', import.meta.url), { workerData })
    return new Kernel(worker, textRing)
  }

  /** Channels between cells and the page. */
  get comms(): Comms {
    return this.#session.comms
  }

  /** Begins to run cells. */
  attach(evaluator: CellEvaluator): void {
    this.#session.attach(evaluator)
  }

  /** Sends a message of any type to the front ends, under the cell that calls. */
  broadcast(msgType: string, content: Json, options: { metadata?: Json; buffers?: Uint8Array[] } = {}): void {
    this.#session.broadcast(msgType, content, options)
  }

  /** Text on the standard error of the cell that calls, or of the last one. */
  writeError(text: string): void {
    this.#session.writeError(text)
  }

  interrupt(): void {
    this.#session.interrupt()
  }

  /** Resolves when for some time nothing has been asked of this thread. */
  idle(forMs: number): Promise<void> {
    return this.#session.idle(forMs)
  }

  /** Sends what is still to be sent, closes the sockets and ends the thread. The process may exit only after this. */
  async close(): Promise<void> {
    this.#worker.postMessage({ type: 'close' } satisfies ToServer)
    await this.#closed
  }
}
