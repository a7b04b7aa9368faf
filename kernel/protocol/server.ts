/**
 * The side of the kernel that front ends talk to. It lives on a thread of its own, so that it answers while the user's code computes:
 * heartbeat, control, history and kernel_info never wait for a cell. Executions run one after another; everything else is answered
 * as soon as the thread that knows the answer is free, also while a cell awaits something.
 */
import { History, parseHistoryQuery } from './history.js'
import type { ExecutionOutcome, OrderedToServer, ServerData, ToMain, ToServer } from './link.js'
import { Outbox } from './outbox.js'
import { KernelSockets } from './sockets.js'
import { type TextChunk, TextRingReader } from './text-ring.js'
import { type Json, type Message, parseMessage, WireError } from './wire.js'

export interface ServerHost {
  /** Tells the main thread something. */
  post: (message: ToMain) => void
  /** A line for the log of the server's operator. */
  log: (line: string) => void
}

/** Requests on shell that the main thread answers, and whether they get a reply. */
const mainRequests: Record<string, string | null> = {
  complete_request: 'complete_reply',
  inspect_request: 'inspect_reply',
  is_complete_request: 'is_complete_reply',
  comm_info_request: 'comm_info_reply',
  comm_open: null,
  comm_msg: null,
  comm_close: null,
}

export class KernelServer {
  readonly #options: ServerData
  readonly #host: ServerHost
  readonly #history: History
  readonly #text: TextRingReader
  readonly #counts = new Map<string, number>()
  #sockets!: KernelSockets
  #outbox!: Outbox
  /** Set, it stops what the main thread runs; one of our own until that thread is ready. */
  #interruptFlag: Int32Array = new Int32Array(1)
  #isReady = false
  /** Requests that the main thread has. */
  readonly #asked = new Map<number, Message>()
  #nextId = 0
  readonly #queue: Message[] = []
  #running: Message | null = null
  /** Id of the input_request that waits for an answer. */
  #inputId: string | null = null

  private constructor(options: ServerData, host: ServerHost) {
    this.#options = options
    this.#host = host
    this.#history = new History({ path: options.historyPath, onProblem: host.log })
    this.#text = new TextRingReader(options.textRing)
  }

  /** Opens the sockets. @throws Error when one of them cannot be bound */
  static async start(options: ServerData, host: ServerHost): Promise<KernelServer> {
    const server = new KernelServer(options, host)
    server.#sockets = await KernelSockets.bind(options.connection)
    server.#outbox = new Outbox(server.#sockets, options.connection.signing)
    server.#sockets.listen({
      shell: frames => server.#receive(frames, message => server.#onShell(message)),
      control: frames => server.#receive(frames, message => server.#onControl(message, 'control')),
      stdin: frames => server.#receive(frames, message => server.#onStdin(message)),
      subscribed: topic => server.#outbox.welcome(topic),
    })
    server.#outbox.status('starting', null)
    return server
  }

  /** Takes what the main thread says. */
  onMain(message: ToServer): void {
    const take = (chunk: TextChunk) => this.#outbox.stream(chunk)
    if (message.type === 'close') void this.close()
    else {
      if (message.type !== 'text') {
        this.#text.pass(take)
        this.#onOrdered(message)
      }
      this.#text.drain(take)
    }
  }

  #onOrdered(message: OrderedToServer): void {
    if (message.type === 'ready') this.#onReady(message.interruptBuffer)
    else if (message.type === 'reply') this.#onReply(message)
    else if (message.type === 'publish') this.#outbox.publish(message)
    else if (message.type === 'input') this.#requestInput(message)
    else this.#inputId = null
  }

  #onReady(interruptBuffer: SharedArrayBuffer): void {
    const isStopped = this.#interruptFlag[0] !== 0
    this.#interruptFlag = new Int32Array(interruptBuffer)
    this.#isReady = true
    if (isStopped && this.#running) this.#raiseFlag()
  }

  /** Sends what is still to be sent and closes the sockets. */
  async close(): Promise<void> {
    this.#text.drain(chunk => this.#outbox.stream(chunk))
    this.#text.close()
    this.#outbox.flush()
    await this.#sockets.flushed()
    this.#sockets.close()
    this.#host.post({ type: 'closed' })
  }

  #receive(frames: Uint8Array[], handle: (message: Message) => void): void {
    let message: Message
    try {
      message = parseMessage(frames, this.#options.connection.signing)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.#count(`dropped a message: ${error.message}`)
      return
    }
    try {
      handle(message)
    } catch (error) {
      // one message that cannot be served must not end the kernel of all others
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
      this.#count(
        `cannot serve a message of type ${JSON.stringify(message.header.msg_type.slice(0, 100))}`,
        `: ${detail}`,
      )
    }
  }

  /** Logs the 1st, 10th, 100th, ... of a kind: a flood of wrong messages must not become a flood of lines. */
  #count(kind: string, detail = ''): void {
    const count = (this.#counts.get(kind) ?? 0) + 1
    this.#counts.set(kind, count)
    if (Number.isInteger(Math.log10(count))) this.#host.log(`${kind}${detail}${count === 1 ? '' : ` (${count} times)`}`)
  }

  #onShell(message: Message): void {
    const { msg_type: type } = message.header
    if (type === 'execute_request') {
      this.#queue.push(message)
      this.#runNext()
    } else if (Object.hasOwn(mainRequests, type)) {
      this.#outbox.status('busy', message.header)
      this.#ask(message)
    } else this.#onControl(message, 'shell')
  }

  /** Requests that this thread answers itself; most may come on either channel. */
  #onControl(message: Message, channel: 'shell' | 'control'): void {
    const { header } = message
    this.#outbox.status('busy', header)
    const answer = this.#answer(message, channel)
    if (answer) this.#outbox.send(channel, message, { msgType: replyType(header.msg_type), content: answer })
    else this.#count(`unknown message type on ${channel}`, `: ${JSON.stringify(header.msg_type.slice(0, 100))}`)
    this.#idle(message)
    if (!answer || header.msg_type !== 'shutdown_request') return
    // a cell that computes would keep its thread from ending
    this.#interrupt()
    this.#host.post({ type: 'shutdown', restart: message.content['restart'] === true })
  }

  #answer({ header, content }: Message, channel: 'shell' | 'control'): Json | null {
    switch (header.msg_type) {
      case 'kernel_info_request':
        return this.#options.info
      case 'connect_request':
        return { status: 'ok', ...portsOf(this.#options) }
      case 'history_request':
        return channel === 'shell' ? { status: 'ok', history: this.#historyTuples(content) } : null
      case 'interrupt_request':
        this.#interrupt()
        return { status: 'ok' }
      case 'shutdown_request':
        return { status: 'ok', restart: content['restart'] === true }
      case 'debug_request':
        return debugRefusal(content)
      case 'create_subshell_request':
      case 'delete_subshell_request':
      case 'list_subshell_request':
        return { status: 'error', ename: 'Unsupported', evalue: 'this kernel has no subshells', traceback: [] }
      default:
        return null
    }
  }

  #historyTuples(content: Json): unknown[] {
    const entries = this.#history.query(parseHistoryQuery(content))
    const withOutput = content['output'] === true
    return entries.map(({ session, line, source, output }) => [session, line, withOutput ? [source, output] : source])
  }

  /**
   * Stops what runs, be it a timer that a cell has left. The flag reaches a thread that never comes back to its event loop, the message
   * one that waits; with the message that thread lowers the flag, before it comes to an execution that was handed out later.
   */
  #interrupt(): void {
    // before the thread is there nobody would lower the flag, and the first cell to come would be stopped instead
    if (this.#isReady || this.#running) this.#raiseFlag()
    this.#host.post({ type: 'interrupt' })
  }

  #raiseFlag(): void {
    Atomics.store(this.#interruptFlag, 0, 1)
    Atomics.notify(this.#interruptFlag, 0)
  }

  #ask(message: Message): void {
    const id = this.#nextId++
    this.#asked.set(id, message)
    const { header, content, metadata, buffers } = message
    this.#host.post({ type: 'request', request: { id, header, content, metadata, buffers } })
  }

  #runNext(): void {
    if (this.#running) return
    const next = this.#queue.shift()
    if (!next) return
    this.#running = next
    this.#outbox.status('busy', next.header)
    this.#ask(next)
  }

  #onReply({ id, msgType, content, outcome }: Extract<ToServer, { type: 'reply' }>): void {
    const message = this.#asked.get(id)
    if (!message) return
    this.#asked.delete(id)
    if (msgType !== null) this.#outbox.send('shell', message, { msgType, content })
    if (message === this.#running) this.#finish(message, outcome)
    else this.#idle(message)
  }

  #finish(message: Message, outcome: ExecutionOutcome | undefined): void {
    if (outcome?.stored) this.#history.add(outcome.stored)
    this.#running = null
    this.#inputId = null
    this.#idle(message)
    if (outcome?.abortQueue) this.#abortQueue(message)
    else this.#runNext()
  }

  #abortQueue(message: Message): void {
    // requests that were sent together with this one and are still in the socket belong to the same run: they are read first
    this.#running = message
    setImmediate(() => {
      this.#running = null
      for (const waiting of this.#queue.splice(0)) this.#abort(waiting)
    })
  }

  #abort(message: Message): void {
    this.#outbox.status('busy', message.header)
    this.#outbox.send('shell', message, { msgType: 'execute_reply', content: { status: 'aborted' } })
    this.#outbox.status('idle', message.header)
  }

  /** Says that a request is done; front ends go by the last state, so a cell that still runs is told of again. */
  #idle(message: Message): void {
    this.#outbox.status('idle', message.header)
    if (this.#running && this.#running !== message) this.#outbox.status('busy', this.#running.header)
  }

  #requestInput({ id, prompt, password }: Extract<ToServer, { type: 'input' }>): void {
    const message = this.#asked.get(id)
    if (!message) return
    this.#outbox.flush()
    this.#inputId = this.#outbox.send('stdin', message, {
      msgType: 'input_request',
      content: { prompt, password },
    }).msg_id
  }

  /** Takes the answer to the question that is open. Some front ends name it in the parent header, some do not. */
  #onStdin({ header, parentHeader, content }: Message): void {
    const isStale = parentHeader?.msg_type === 'input_request' && parentHeader.msg_id !== this.#inputId
    if (header.msg_type !== 'input_reply')
      this.#count('unknown message type on stdin', `: ${JSON.stringify(header.msg_type.slice(0, 100))}`)
    else if (this.#inputId === null || isStale) this.#count('dropped an input_reply that nothing asked for')
    else {
      this.#inputId = null
      this.#host.post({ type: 'input', value: typeof content['value'] === 'string' ? content['value'] : '' })
    }
  }
}

/** `kernel_info_request` -> `kernel_info_reply`. */
function replyType(requestType: string): string {
  return requestType.replace(/_request$/, '_reply')
}

function portsOf({ connection }: ServerData): Json {
  return Object.fromEntries(Object.entries(connection.ports).map(([channel, port]) => [`${channel}_port`, port]))
}

/** A response of the Debug Adapter Protocol that says no. */
function debugRefusal({ seq, command }: Json): Json {
  const message = 'this kernel has no debugger'
  return { type: 'response', request_seq: seq ?? 0, success: false, command: command ?? '', message }
}
