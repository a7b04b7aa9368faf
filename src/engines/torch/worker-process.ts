import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { LabError, messageOf } from '../../util/errors.js'
import { encodeHeader, type Frame, FrameReader } from './frames.js'
import type { Request, Response, WorkerOptions } from './protocol.js'
import { pythonMissing, torchMissing } from './python.js'
import { SHARED_BYTES, SharedFiles } from './shared-files.js'

const script = fileURLToPath(new URL('./worker.py', import.meta.url))

/** What is kept of what the process says on stderr. */
const STDERR_CHARACTERS = 8_000

/** The part of it that errors show. */
const STDERR_LINES = 12

export interface WorkerEvents {
  onResponse(response: Response, blobs: readonly Uint8Array[]): void
  /** Called once; the process is gone, or is being killed. */
  onEnd(error: LabError): void
}

/**
 * The Python process: sends requests in order, hands on responses in order, and knows why it ended. The process leads a group of its
 * own with the compilers that it starts; a descriptor that ends with this process ends that group, whatever it is at.
 */
export class WorkerProcess {
  readonly python: string
  readonly #child: ChildProcess
  readonly #files = new SharedFiles()
  readonly #events: WorkerEvents
  readonly #forks = process.platform !== 'win32'
  #sending: Promise<void> = Promise.resolve()
  #receiving: Promise<void> = Promise.resolve()
  #stderr = ''
  #ended = false
  readonly #exited: Promise<void>

  constructor(python: string, options: Omit<WorkerOptions, 'shared' | 'lifeline'>, events: WorkerEvents) {
    this.python = python
    this.#events = events
    const full: WorkerOptions = { ...options, shared: this.#files.directories, lifeline: this.#forks ? 3 : null }
    this.#child = spawn(python, [script, JSON.stringify(full)], {
      stdio: ['pipe', 'pipe', 'pipe', ...(this.#forks ? ['pipe' as const] : [])],
      detached: this.#forks,
      env: environment(options.threads),
    })
    this.#exited = new Promise(resolve => {
      this.#child.once('exit', (code, signal) => {
        // what it said before it died is still in the pipes
        this.#child.once('close', () => this.#end(new LabError('ENGINE', this.#obituary(code, signal))))
        this.#lifeline?.destroy()
        resolve()
      })
      this.#child.once('error', error => {
        this.#end(pythonMissing(python, messageOf(error)))
        resolve()
      })
    })
    const reader = new FrameReader(frame => this.#receive(frame))
    this.#child.stdout!.on('data', (chunk: Buffer) => reader.push(chunk))
    this.#child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-STDERR_CHARACTERS)
    })
    // a process that dies closes its input; its exit says why
    this.#child.stdin!.on('error', () => undefined)
    this.#lifeline?.on('error', () => undefined)
    this.unref()
  }

  /** Process id; undefined when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Keeps this process alive until {@link unref}. */
  ref(): void {
    this.#child.ref()
    for (const socket of this.#sockets) socket.ref()
  }

  unref(): void {
    this.#child.unref()
    for (const socket of this.#sockets) socket.unref()
  }

  /** Sends a request; the blobs must not change afterwards. */
  send(request: Request, blobs: readonly Uint8Array[] = []): void {
    this.#sending = this.#sending
      .then(async () => {
        const refs = []
        for (const blob of blobs)
          refs.push(blob.length < SHARED_BYTES ? { bytes: blob.length } : await this.#files.put(blob))
        if (this.#ended) return
        this.#child.stdin!.write(encodeHeader(request, refs))
        for (const blob of blobs) if (blob.length < SHARED_BYTES) this.#child.stdin!.write(blob)
      })
      .catch(error => this.fail(new LabError('ENGINE', `torch: cannot hand a tensor on: ${messageOf(error)}`)))
  }

  /** Kills the process and everything that it has started. */
  kill(): void {
    try {
      if (this.#forks && this.pid !== undefined) process.kill(-this.pid, 'SIGKILL')
      else this.#child.kill('SIGKILL')
    } catch {
      // it was gone already
    }
  }

  /** Ends the engine with this error. */
  fail(error: LabError): void {
    this.kill()
    this.#end(error)
  }

  /** Resolves when the process is gone. */
  exited(): Promise<void> {
    this.#child.ref()
    return this.#exited
  }

  /** The last lines that the process wrote to stderr, as a part of a sentence. */
  lastWords(): string {
    const lines = this.#stderr.split('\n').filter(line => line.trim() !== '')
    return lines.length === 0 ? '' : `; its last words:\n${lines.slice(-STDERR_LINES).join('\n')}`
  }

  get #lifeline(): Socket | undefined {
    return this.#child.stdio[3] as Socket | undefined
  }

  get #sockets(): Socket[] {
    return this.#child.stdio.filter(stream => stream !== null && stream !== undefined) as unknown as Socket[]
  }

  /** Hands a frame on once its blobs are here; one after another, so that responses keep their order. */
  #receive({ header, refs, inline }: Frame): void {
    this.#receiving = this.#receiving
      .then(async () => {
        const rest = [...inline]
        const blobs: Uint8Array[] = []
        for (const { bytes, path } of refs)
          blobs.push(path === undefined ? rest.shift()! : await this.#files.take({ bytes, path }))
        this.#handOn(header as unknown as Response, blobs)
      })
      .catch(error => this.fail(new LabError('ENGINE', `torch: cannot take a tensor: ${messageOf(error)}`)))
  }

  #handOn(response: Response, blobs: readonly Uint8Array[]): void {
    if (response.kind !== 'fatal') this.#events.onResponse(response, blobs)
    else if (response.code === 'TORCH_MISSING') this.#end(torchMissing(this.python, response.message))
    else this.#end(new LabError(response.code, response.message))
  }

  #obituary(code: number | null, signal: NodeJS.Signals | null): string {
    const hint = signal === 'SIGKILL' ? ' (the system does that when memory runs out)' : ''
    return `torch: the Python process ended with ${signal ?? `exit code ${code}`}${hint}${this.lastWords()}`
  }

  #end(error: LabError): void {
    // answers that are still on their way through files come first
    void this.#receiving.then(() => {
      if (this.#ended) return
      this.#ended = true
      this.#files.dispose()
      this.unref()
      this.#events.onEnd(error)
    })
  }
}

function environment(threads: number): NodeJS.ProcessEnv {
  return {
    // the compiler's own helpers are processes too; one a thread that computes is as many as are of use
    TORCHINDUCTOR_COMPILE_THREADS: String(threads),
    ...process.env,
    OMP_NUM_THREADS: String(threads),
  }
}
