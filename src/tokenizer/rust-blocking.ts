import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads'
import { LabError } from '../util/errors.js'
import { spawnWorker } from '../util/worker.js'

/** What the thread is asked. */
export interface BlockingRequest {
  number: number
  text: string
  addSpecialTokens: boolean
}

/** What the thread answers to the request of that number: the ids, or the message of its error. */
export type BlockingAnswer = { number: number } & ({ ids: Int32Array } | { error: string })

/** What the thread is started with. */
export interface BlockingWorkerData {
  port: MessagePort
  /** Set to 1 and notified after each answer has been put into the port. */
  signal: Int32Array
  json: string
}

// the first answer includes loading the vocabulary; nothing a person encodes at once takes longer
const TIMEOUT_MS = 120_000

const orphans = new FinalizationRegistry<Worker>(worker => void worker.terminate())

/**
 * `encode` that returns at once, over a package that only encodes asynchronously: a thread of its own awaits the native
 * engine while the caller sleeps. The thread starts with the first call, does not keep the process alive, and ends when
 * `owner` is collected.
 */
export class BlockingEncoder {
  readonly #signal = new Int32Array(new SharedArrayBuffer(4))
  readonly #port: MessagePort
  #number = 0

  constructor(owner: object, json: string) {
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    const workerData: BlockingWorkerData = { port: port2, signal: this.#signal, json }
    const worker = spawnWorker(new URL('./rust-blocking-worker.js', import.meta.url), {
      workerData,
      transferList: [port2],
    })
    worker.unref()
    port1.unref()
    orphans.register(owner, worker)
  }

  /** @throws LabError `TOKENIZER_ENGINE` when the engine fails or takes longer than `timeoutMs` */
  encode(text: string, addSpecialTokens: boolean, timeoutMs: number = TIMEOUT_MS): Int32Array {
    const number = ++this.#number
    this.#port.postMessage({ number, text, addSpecialTokens } satisfies BlockingRequest)
    const answer = this.#answerTo(number, performance.now() + timeoutMs)
    if (!answer) throw failed(`no answer within ${timeoutMs / 1000} s`)
    if ('error' in answer) throw failed(answer.error)
    return answer.ids
  }

  /** Drops the answers to earlier requests, which were given up; null when none to this one has come by the deadline. */
  #answerTo(number: number, deadlineMs: number): BlockingAnswer | null {
    for (;;) {
      // before the port is looked into, so that an answer that comes after ends the wait
      Atomics.store(this.#signal, 0, 0)
      for (let next = receiveMessageOnPort(this.#port); next; next = receiveMessageOnPort(this.#port)) {
        const answer = next.message as BlockingAnswer
        if (answer.number === number) return answer
      }
      const leftMs = deadlineMs - performance.now()
      if (leftMs <= 0) return null
      Atomics.wait(this.#signal, 0, 0, leftMs)
    }
  }
}

function failed(reason: string): LabError {
  return new LabError('TOKENIZER_ENGINE', `the native tokenizer engine did not encode the text: ${reason}`)
}
