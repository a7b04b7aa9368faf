import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { LabError } from '../util/errors.js'
import { spawnWorker } from '../util/worker.js'
import type { EncodeOptions } from './interface.js'

/** How a {@link TokenizerPool} is opened. */
export interface TokenizerPoolOptions {
  /** As for `openTokenizer`. Default `auto`. */
  engine?: 'auto' | 'rust' | 'js'
  /** Worker threads. Default 1 for the native engine (which itself uses every core), else all cores but one, at least 1. */
  threads?: number
}

/** Options of one {@link TokenizerPool.encodeBatch}. */
export interface PoolEncodeOptions extends EncodeOptions {
  /** Aborting rejects the call with the signal's reason; work not yet begun is dropped. */
  signal?: AbortSignal
}

/** What a worker is asked. */
export interface PoolRequest {
  job: number
  texts: string[]
  addSpecialTokens: boolean
}

/** What a worker says: that it is ready, the ids of a job, or an error (of a job, or of opening when `job` is null). */
export type PoolReply =
  | { kind: 'ready'; engine: 'rust' | 'js' }
  | { kind: 'ids'; job: number; ids: Int32Array[] }
  | { kind: 'error'; job: number | null; code: string; message: string }

interface Job {
  request: PoolRequest
  resolve(ids: Int32Array[]): void
  reject(error: unknown): void
}

/** Characters of text in one message to a worker: small enough to share a batch out evenly, large enough to hide the messages. */
const CHUNK_CHARS = 128_000

/**
 * Tokenises in worker threads, so that no text, however long, holds up the event loop of the caller.
 *
 * The native engine's own batch call does run off-thread, but its answer (plain arrays) is converted on the calling thread,
 * and so are the texts on the way in: with 512 documents of 4 kB the loop of the caller stood still for 37 ms a batch, with
 * one worker for 2 ms (texts cloned, ids transferred), at about the same speed. So the pool uses workers for both engines.
 */
export class TokenizerPool {
  readonly #workers: Worker[]
  readonly #idle: Worker[]
  readonly #running = new Map<Worker, Job>()
  #queue: Job[] = []
  #nextJob = 0
  #dead: LabError | undefined
  /** The engine in use. */
  readonly engine: 'rust' | 'js'

  private constructor(workers: Worker[], engine: 'rust' | 'js') {
    this.#workers = workers
    this.#idle = [...workers]
    this.engine = engine
    for (const worker of workers) {
      worker.on('message', (reply: PoolReply) => this.#receive(worker, reply))
      worker.on('error', error => this.#die(workerFailed(error.message, error)))
      worker.on('exit', code => this.#die(workerFailed(`it ended with exit code ${code}`)))
      worker.unref()
    }
  }

  /**
   * Opens the tokenizer at `path` in every worker.
   * @throws LabError as `openTokenizer` does; `TOKENIZER_POOL` when a worker cannot start
   */
  static async open(path: string, { engine = 'auto', threads }: TokenizerPoolOptions = {}): Promise<TokenizerPool> {
    if (threads !== undefined && (!Number.isInteger(threads) || threads < 1))
      throw new LabError('TOKENIZER_POOL', `threads: expected a positive integer, got ${threads}`)
    const first = await startWorker(path, engine)
    const count = threads ?? (first.engine === 'rust' ? 1 : Math.max(1, availableParallelism() - 1))
    const workers = [first.worker]
    try {
      const others = Array.from({ length: count - 1 }, () => startWorker(path, first.engine))
      for (const started of await Promise.allSettled(others)) {
        if (started.status === 'rejected') throw started.reason
        workers.push(started.value.worker)
      }
    } catch (error) {
      await Promise.all(workers.map(worker => worker.terminate()))
      throw error
    }
    return new TokenizerPool(workers, first.engine)
  }

  /** Number of worker threads. */
  get threads(): number {
    return this.#workers.length
  }

  /**
   * The ids of many texts, in their order; the caller owns the arrays.
   * @throws LabError `TOKENIZER_POOL` when a worker fails or the pool is disposed; the signal's reason when aborted
   */
  async encodeBatch(texts: string[], options: PoolEncodeOptions = {}): Promise<Int32Array[]> {
    const { addSpecialTokens = false, signal } = options
    signal?.throwIfAborted()
    if (this.#dead) throw this.#dead
    const jobs: Job[] = []
    const answers = chunksOf(texts).map(
      chunk =>
        new Promise<Int32Array[]>((resolve, reject) => {
          jobs.push({ request: { job: this.#nextJob++, texts: chunk, addSpecialTokens }, resolve, reject })
        }),
    )
    const abort = () => {
      this.#queue = this.#queue.filter(job => !jobs.includes(job))
      for (const job of jobs) job.reject(signal?.reason)
    }
    signal?.addEventListener('abort', abort, { once: true })
    this.#queue.push(...jobs)
    this.#dispatch()
    try {
      return (await Promise.all(answers)).flat()
    } catch (error) {
      this.#queue = this.#queue.filter(job => !jobs.includes(job))
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Ends the workers; calls in progress are rejected. */
  async dispose(): Promise<void> {
    this.#die(new LabError('TOKENIZER_POOL', 'the tokenizer pool was disposed'))
    await Promise.all(this.#workers.map(worker => worker.terminate()))
  }

  #dispatch(): void {
    while (this.#idle.length > 0 && this.#queue.length > 0) {
      const worker = this.#idle.pop()!
      const job = this.#queue.shift()!
      this.#running.set(worker, job)
      // a worker at work keeps the process alive, an idle one does not
      worker.ref()
      worker.postMessage(job.request)
    }
  }

  #receive(worker: Worker, reply: PoolReply): void {
    const job = this.#running.get(worker)
    if (!job || reply.kind === 'ready') return
    this.#running.delete(worker)
    worker.unref()
    this.#idle.push(worker)
    if (reply.kind === 'ids') job.resolve(reply.ids)
    else job.reject(new LabError(reply.code, reply.message))
    this.#dispatch()
  }

  #die(reason: LabError): void {
    if (this.#dead) return
    this.#dead = reason
    for (const job of [...this.#running.values(), ...this.#queue]) job.reject(reason)
    this.#running.clear()
    this.#queue = []
    for (const worker of this.#workers) void worker.terminate()
  }
}

/** Cuts a list of texts into runs of about {@link CHUNK_CHARS} characters. */
function chunksOf(texts: string[]): string[][] {
  const chunks: string[][] = []
  let chars = CHUNK_CHARS
  for (const text of texts) {
    if (chars >= CHUNK_CHARS) {
      chunks.push([])
      chars = 0
    }
    chunks.at(-1)!.push(text)
    chars += text.length
  }
  return chunks
}

function startWorker(path: string, engine: 'auto' | 'rust' | 'js'): Promise<{ worker: Worker; engine: 'rust' | 'js' }> {
  const worker = spawnWorker(new URL('./pool-worker.js', import.meta.url), { workerData: { path, engine } })
  return new Promise((resolve, reject) => {
    const fail = (error: LabError) => {
      worker.removeAllListeners()
      // a late error of a worker that is being ended has been told already
      worker.on('error', () => {})
      void worker.terminate()
      reject(error)
    }
    worker.once('error', error => fail(workerFailed(error.message, error)))
    worker.once('exit', code => fail(workerFailed(`it ended with exit code ${code}`)))
    worker.once('message', (reply: PoolReply) => {
      if (reply.kind !== 'ready')
        return fail(
          reply.kind === 'error' ? new LabError(reply.code, reply.message) : workerFailed('it answered too early'),
        )
      worker.removeAllListeners()
      resolve({ worker, engine: reply.engine })
    })
  })
}

function workerFailed(reason: string, cause?: unknown): LabError {
  return new LabError('TOKENIZER_POOL', `a tokenizer worker failed: ${reason}`, { cause })
}
