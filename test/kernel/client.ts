/** A small Jupyter front end over ZeroMQ, to test kernels with. */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import { Dealer, Subscriber } from 'zeromq'
import { parseConnection } from '../../kernel/protocol/connection.js'
import {
  type Header,
  type Json,
  type Message,
  parseMessage,
  serializeMessage,
  signFrames,
} from '../../kernel/protocol/wire.js'

/** Content of a connection file with ports that are free now. */
export async function connectionFile(key = randomUUID()): Promise<Json> {
  const servers = await Promise.all(Array.from({ length: 5 }, listen))
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  const [shell_port, iopub_port, stdin_port, control_port, hb_port] = ports
  const addresses = { shell_port, iopub_port, stdin_port, control_port, hb_port }
  return { transport: 'tcp', ip: '127.0.0.1', ...addresses, key, signature_scheme: 'hmac-sha256' }
}

async function listen() {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return server
}

export interface Execution {
  reply: Message
  /** Everything on iopub whose parent is the request, in its order, up to idle. */
  outputs: Message[]
}

export const typesOf = (messages: readonly Message[]) => messages.map(message => message.header.msg_type)

/** The joined text of a stream. */
export function textOf(messages: readonly Message[], name: 'stdout' | 'stderr' = 'stdout'): string {
  return messages
    .filter(({ header, content }) => header.msg_type === 'stream' && content['name'] === name)
    .map(({ content }) => content['text'])
    .join('')
}

type Waiter = { accepts: (message: Message) => boolean; resolve: (message: Message) => void }

/** Messages of one socket: kept until somebody asks for them. */
class Inbox {
  readonly messages: Message[] = []
  readonly #waiters: Waiter[] = []

  push(message: Message): void {
    this.messages.push(message)
    for (const waiter of [...this.#waiters]) {
      if (!waiter.accepts(message)) continue
      this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
      waiter.resolve(message)
    }
  }

  async find(what: string, accepts: (message: Message) => boolean, timeoutMs = 20_000): Promise<Message> {
    const present = this.messages.find(accepts)
    if (present) return present
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no ${what} within ${timeoutMs} ms`)), timeoutMs)
    })
    const found = new Promise<Message>(resolve => this.#waiters.push({ accepts, resolve }))
    return Promise.race([found, timeout]).finally(() => clearTimeout(timer))
  }
}

const answers =
  (header: Header) =>
  ({ parentHeader }: Message) =>
    parentHeader?.msg_id === header.msg_id

export class KernelClient {
  readonly iopub = new Inbox()
  readonly stdin = new Inbox()
  readonly #replies = { shell: new Inbox(), control: new Inbox() }
  readonly #connection
  readonly #session = randomUUID()
  readonly #sockets
  #isClosed = false

  /** @param reconnectMs How soon a socket tries again when the kernel does not listen yet; ZeroMQ's own default is 100 */
  constructor(connection: Json, { reconnectMs = 100 } = {}) {
    this.#connection = parseConnection(connection)
    const { ports } = this.#connection
    const reconnectInterval = reconnectMs
    const options = {
      linger: 0,
      reconnectInterval,
      routingId: this.#session,
      sendHighWaterMark: 0,
      receiveHighWaterMark: 0,
    }
    this.#sockets = {
      shell: new Dealer(options),
      control: new Dealer(options),
      stdin: new Dealer(options),
      hb: new Dealer({ linger: 0, reconnectInterval }),
      iopub: new Subscriber({ linger: 0, reconnectInterval, receiveHighWaterMark: 0 }),
    }
    for (const [channel, socket] of Object.entries(this.#sockets))
      socket.connect(`tcp://127.0.0.1:${ports[channel as keyof typeof ports]}`)
    this.#sockets.iopub.subscribe()
    void this.#read(this.#sockets.shell, this.#replies.shell)
    void this.#read(this.#sockets.control, this.#replies.control)
    void this.#read(this.#sockets.stdin, this.stdin)
    void this.#read(this.#sockets.iopub, this.iopub)
  }

  async #read(socket: Dealer | Subscriber, inbox: Inbox): Promise<void> {
    try {
      for await (const frames of socket) inbox.push(parseMessage(frames as Uint8Array[], this.#connection.signing))
    } catch (error) {
      if (!this.#isClosed) throw error
    }
  }

  /** Waits until the kernel answers and its outputs arrive here. */
  async ready(): Promise<Message> {
    await this.iopub.find('iopub_welcome', ({ header }) => header.msg_type === 'iopub_welcome')
    return this.request('shell', 'kernel_info_request', {})
  }

  header(msgType: string): Header {
    const [msg_id, date] = [randomUUID(), new Date().toISOString()]
    return { msg_id, session: this.#session, username: 'test', date, msg_type: msgType, version: '5.5' }
  }

  /** Sends a message and returns its header. */
  send(
    channel: 'shell' | 'control' | 'stdin',
    msgType: string,
    content: Json,
    { parentHeader = null, buffers = [] }: { parentHeader?: Header | null; buffers?: Uint8Array[] } = {},
  ): Header {
    const header = this.header(msgType)
    this.sendFrames(
      channel,
      serializeMessage({ identities: [], header, parentHeader, content, buffers }, this.#connection.signing),
    )
    return header
  }

  #sent = Promise.resolve()
  /** Sends frames as they are. */
  sendFrames(channel: 'shell' | 'control' | 'stdin', frames: Uint8Array[]): void {
    this.#sent = this.#sent.then(() => this.#sockets[channel].send(frames))
  }

  /** Signs JSON frames (header, parent header, metadata, content) and sends them, whatever they hold. */
  sendJson(channel: 'shell' | 'control' | 'stdin', texts: readonly string[]): void {
    const frames = texts.map(text => Buffer.from(text))
    const signature = signFrames(frames, this.#connection.signing)
    this.sendFrames(channel, [Buffer.from('<IDS|MSG>'), Buffer.from(signature), ...frames])
  }

  reply(channel: 'shell' | 'control', header: Header, timeoutMs?: number): Promise<Message> {
    return this.#replies[channel].find(`reply to ${header.msg_type}`, answers(header), timeoutMs)
  }

  request(channel: 'shell' | 'control', msgType: string, content: Json, timeoutMs?: number): Promise<Message> {
    return this.reply(channel, this.send(channel, msgType, content), timeoutMs)
  }

  /** Sends an execution without waiting for it. */
  startExecution(code: string, options: Json = {}): Header {
    return this.send('shell', 'execute_request', { code, ...options })
  }

  async finished(header: Header, timeoutMs?: number): Promise<Execution> {
    const reply = await this.reply('shell', header, timeoutMs)
    const isIdle = (message: Message) => message.content['execution_state'] === 'idle' && answers(header)(message)
    await this.iopub.find('idle', isIdle, timeoutMs)
    return { reply, outputs: this.iopub.messages.filter(answers(header)) }
  }

  execute(code: string, options: Json = {}): Promise<Execution> {
    return this.finished(this.startExecution(code, options))
  }

  /** Round trip of the heartbeat in milliseconds. */
  async heartbeat(): Promise<number> {
    const start = performance.now()
    await this.#sockets.hb.send(['', 'ping'])
    const [, pong] = await this.#sockets.hb.receive()
    if (String(pong) !== 'ping') throw new Error(`the heartbeat came back as ${pong}`)
    return performance.now() - start
  }

  close(): void {
    this.#isClosed = true
    for (const socket of Object.values(this.#sockets)) socket.close()
  }
}
