/** The five ZeroMQ sockets of a kernel. */
import { Router, type Socket, XPublisher } from 'zeromq'
import { type Channel, type ConnectionInfo, endpoint } from './connection.js'

/** Milliseconds that sent messages may still take to leave after a socket is closed. */
const lingerMs = 1000
/** Bytes of the largest message that is taken in; a larger one ends its connection. */
const maxMessageBytes = 512 * 2 ** 20

type Receiver = (frames: Uint8Array[]) => void

export interface SocketReceivers {
  shell: Receiver
  control: Receiver
  stdin: Receiver
  /** A front end began to listen to the messages whose topic begins so. */
  subscribed: (topic: Uint8Array) => void
}

/**
 * The sockets, bound; read from {@link listen} to {@link close}, which has to come before the thread ends: a ZeroMQ socket that is still
 * open then aborts the process.
 */
export class KernelSockets {
  readonly #routers: Record<'shell' | 'control' | 'stdin', Router>
  readonly #heartbeat: Router
  readonly #iopub: XPublisher
  readonly #sending = new Map<Socket, Promise<void>>()
  #isClosed = false

  private constructor() {
    // nothing is dropped on the way out: a front end that reads slowly gets all of it, later
    const options = { linger: lingerMs, sendHighWaterMark: 0, receiveHighWaterMark: 0, maxMessageSize: maxMessageBytes }
    // a front end that connects anew under its old name takes its place over
    const router = () => new Router({ ...options, handover: true })
    this.#routers = { shell: router(), control: router(), stdin: router() }
    this.#heartbeat = router()
    this.#iopub = new XPublisher(options)
    this.#iopub.verbosity = 'allSubs'
  }

  /** Binds all of them. @throws Error that names the address which cannot be bound; nothing stays open then */
  static async bind(connection: ConnectionInfo): Promise<KernelSockets> {
    const sockets = new KernelSockets()
    try {
      for (const [channel, socket] of sockets.#all()) await bindOne(socket, endpoint(connection, channel))
    } catch (error) {
      sockets.close()
      throw error
    }
    return sockets
  }

  /** Begins to read; the heartbeat is answered here. */
  listen(receivers: SocketReceivers): void {
    void this.#read(this.#heartbeat, frames => void this.#send(this.#heartbeat, frames))
    for (const channel of ['shell', 'control', 'stdin'] as const)
      void this.#read(this.#routers[channel], receivers[channel])
    void this.#read(this.#iopub, ([frame]) => {
      if (frame?.[0] === 1) receivers.subscribed(frame.subarray(1))
    })
  }

  #all(): [Channel, Router | XPublisher][] {
    return [...Object.entries(this.#routers), ['hb', this.#heartbeat], ['iopub', this.#iopub]] as [Channel, Router][]
  }

  async #read(socket: Router | XPublisher, receive: Receiver): Promise<void> {
    while (!this.#isClosed) {
      let frames: Uint8Array[]
      try {
        frames = await socket.receive()
      } catch (error) {
        if (this.#isClosed) return
        throw error
      }
      receive(frames)
    }
  }

  /** Sends frames after those that were sent before on the channel. */
  send(channel: 'shell' | 'control' | 'stdin' | 'iopub', frames: Uint8Array[]): void {
    void this.#send(channel === 'iopub' ? this.#iopub : this.#routers[channel], frames)
  }

  /** A socket takes one message at a time. */
  #send(socket: Router | XPublisher, frames: Uint8Array[]): Promise<void> {
    const before = this.#sending.get(socket)
    const sent = (before ?? Promise.resolve())
      .then(() => (this.#isClosed ? undefined : socket.send(frames)))
      .catch((error: unknown) => {
        if (!this.#isClosed && !isUnroutable(error)) throw error
      })
    this.#sending.set(socket, sent)
    return sent
  }

  /** Resolves when everything so far was handed to ZeroMQ. */
  async flushed(): Promise<void> {
    await Promise.all(this.#sending.values())
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    for (const [, socket] of this.#all()) socket.close()
  }
}

async function bindOne(socket: Router | XPublisher, address: string): Promise<void> {
  try {
    await socket.bind(address)
  } catch (error) {
    throw new Error(`cannot bind ${address}: ${error instanceof Error ? error.message : error}`)
  }
}

/** The front end that is to be answered has gone. */
function isUnroutable(error: unknown): boolean {
  return (error as { code?: string }).code === 'EHOSTUNREACH'
}
