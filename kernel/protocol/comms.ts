/** Comms: two-way channels between the user's code and the page. */
import { randomUUID } from 'node:crypto'
import type { Json } from './wire.js'

/** A message of a comm. `buffers` are sent beside the JSON, as they are. */
export interface CommMessage {
  data: Json
  metadata: Json
  buffers: Uint8Array[]
}

export interface CommSendOptions {
  metadata?: Json
  buffers?: Uint8Array[]
}

/** Publishes a message of type `comm_open`, `comm_msg` or `comm_close`. */
export type CommPublisher = (msgType: string, content: Json, options: CommSendOptions) => void

/** Called when a page opens a comm to a target of the kernel. */
export type CommTarget = (comm: Comm, opened: CommMessage) => void | Promise<void>

type Handler = (message: CommMessage) => void | Promise<void>

/** What comms are built on. */
export interface CommHost {
  publish: CommPublisher
  /** A handler that belongs to the cell which registers it now, whoever calls it: what it prints is that cell's. */
  bind: <Args extends unknown[]>(
    handler: (...args: Args) => void | Promise<void>,
  ) => (...args: Args) => void | Promise<void>
}

/** One open channel; it ends with {@link close}, or when the page closes it. */
export class Comm {
  readonly id: string
  readonly target: string
  readonly #host: CommHost
  readonly #forget: () => void
  #onMessage: Handler = () => {}
  #onClose: Handler = () => {}
  #isOpen = true

  /** Made by {@link Comms}. */
  constructor(id: string, target: string, wiring: { host: CommHost; forget: () => void }) {
    this.id = id
    this.target = target
    this.#host = wiring.host
    this.#forget = wiring.forget
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Sends to the page. @throws Error when the comm is closed, TypeError when `data` is no JSON */
  send(data: Json, options: CommSendOptions = {}): void {
    if (!this.#isOpen) throw new Error(`the comm ${this.id} of "${this.target}" is closed`)
    this.#host.publish('comm_msg', { comm_id: this.id, data }, options)
  }

  /** Sets what is done with messages of the page. */
  onMessage(handler: Handler): void {
    this.#onMessage = this.#host.bind(handler)
  }

  /** Sets what is done when the page closes the comm. */
  onClose(handler: Handler): void {
    this.#onClose = this.#host.bind(handler)
  }

  /** Closes the comm on both sides; nothing when it is closed already. */
  close(data: Json = {}, options: CommSendOptions = {}): void {
    if (!this.#isOpen) return
    this.#end()
    this.#host.publish('comm_close', { comm_id: this.id, data }, options)
  }

  /** A message came; called by {@link Comms}. */
  async receive(kind: 'message' | 'close', message: CommMessage): Promise<void> {
    if (kind === 'close') this.#end()
    await (kind === 'close' ? this.#onClose : this.#onMessage)(message)
  }

  #end(): void {
    this.#isOpen = false
    this.#forget()
  }
}

/** The comms of a kernel. */
export class Comms {
  readonly #host: CommHost
  readonly #targets = new Map<string, CommTarget>()
  readonly #open = new Map<string, Comm>()

  constructor(host: CommHost) {
    this.#host = host
  }

  /** Says what is done when a page opens a comm to `target`. Returns the function that takes it back. */
  registerTarget(target: string, handler: CommTarget): () => void {
    const bound = this.#host.bind(handler)
    this.#targets.set(target, bound)
    return () => {
      if (this.#targets.get(target) === bound) this.#targets.delete(target)
    }
  }

  /** Opens a comm to the page. @throws TypeError when `data` is no JSON */
  open(target: string, data: Json = {}, options: CommSendOptions = {}): Comm {
    const id = randomUUID().replaceAll('-', '')
    this.#host.publish('comm_open', { comm_id: id, target_name: target, data }, options)
    return this.#add(id, target)
  }

  /** Content of comm_info_reply, of all comms or of those of one target. */
  info(target?: string): Json {
    const comms = [...this.#open.values()].filter(comm => target === undefined || comm.target === target)
    return { status: 'ok', comms: Object.fromEntries(comms.map(comm => [comm.id, { target_name: comm.target }])) }
  }

  /** Takes a message of the page. A comm to a target that nobody registered is closed again, as the protocol wants. */
  async receive(msgType: string, content: Json, { metadata, buffers }: Omit<CommMessage, 'data'>): Promise<void> {
    const { comm_id: id, target_name: target } = content
    if (typeof id !== 'string') return
    const message = { data: (content['data'] ?? {}) as Json, metadata, buffers }
    if (msgType === 'comm_open') return this.#onOpen(id, String(target), message)
    await this.#open.get(id)?.receive(msgType === 'comm_close' ? 'close' : 'message', message)
  }

  async #onOpen(id: string, target: string, message: CommMessage): Promise<void> {
    const handler = this.#targets.get(target)
    if (handler) await handler(this.#add(id, target), message)
    else this.#host.publish('comm_close', { comm_id: id, data: {} }, {})
  }

  #add(id: string, target: string): Comm {
    const comm = new Comm(id, target, { host: this.#host, forget: () => this.#open.delete(id) })
    this.#open.set(id, comm)
    return comm
  }
}
