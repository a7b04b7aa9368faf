import { MessageChannel, type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads'
import { LabError } from '../util/errors.js'
import { spawnWorker } from '../util/worker.js'

/** What the thread answers: the ids, or the message of its error. */
export type BlockingAnswer = { ids: Int32Array } | { error: string }

/** What the thread is started with. */
export interface BlockingWorkerData {
  port: MessagePort
  /** Set to 1 and notified when an answer lies in the port. */
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

  encode(text: string, addSpecialTokens: boolean): Int32Array {
    Atomics.store(this.#signal, 0, 0)
    this.#port.postMessage({ text, addSpecialTokens })
    Atomics.wait(this.#signal, 0, 0, TIMEOUT_MS)
    const answer = receiveMessageOnPort(this.#port)?.message as BlockingAnswer | undefined
    if (!answer) throw failed(`no answer within ${TIMEOUT_MS / 1000} s`)
    if ('error' in answer) throw failed(answer.error)
    return answer.ids
  }
}

function failed(reason: string): LabError {
  return new LabError('TOKENIZER_ENGINE', `the native tokenizer engine did not encode the text: ${reason}`)
}
