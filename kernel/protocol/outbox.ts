import { headerMaker } from './header.js'
import type { KernelSockets } from './sockets.js'
import { StreamBatch } from './stream-batch.js'
import type { TextChunk } from './text-ring.js'
import { type Header, type Json, type Message, type SigningKey, serializeMessage } from './wire.js'

/** Text of a cell that is sent at once even when the window has not ended. */
const streamChars = 256 * 1024
const streamWindowMs = 15

export interface Publication {
  parent: Header | null
  msgType: string
  content: Json | string
  metadata?: Json
  buffers?: readonly Uint8Array[]
}

/** Signs and sends the messages of a kernel, in the order in which they were given to it. */
export class Outbox {
  readonly #sockets: Pick<KernelSockets, 'send'>
  readonly #key: SigningKey
  readonly #makeHeader = headerMaker()
  readonly #streams: StreamBatch

  constructor(sockets: Pick<KernelSockets, 'send'>, key: SigningKey) {
    this.#sockets = sockets
    this.#key = key
    this.#streams = new StreamBatch({
      windowMs: streamWindowMs,
      maxChars: streamChars,
      send: ({ parent, name, text }) => this.#publishNow({ parent, msgType: 'stream', content: { name, text } }),
    })
  }

  /** Sends to every front end; text that waits goes first. */
  publish(publication: Publication): void {
    this.#streams.flush()
    this.#publishNow(publication)
  }

  status(state: 'starting' | 'busy' | 'idle', parent: Header | null): void {
    this.publish({ parent, msgType: 'status', content: { execution_state: state } })
  }

  stream(chunk: TextChunk): void {
    this.#streams.write(chunk)
  }

  /** Greets a new listener, in the topic that it asked for. */
  welcome(topic: Uint8Array): void {
    const content = { subscription: Buffer.from(topic).toString() }
    this.#publishNow({ parent: null, msgType: 'iopub_welcome', content }, topic)
  }

  /** Sends to the one who made a request. Returns the header of what was sent. */
  send(
    channel: 'shell' | 'control' | 'stdin',
    { identities, header: parentHeader }: Pick<Message, 'identities' | 'header'>,
    { msgType, content }: { msgType: string; content: Json | string },
  ): Header {
    const header = this.#makeHeader(msgType)
    this.#sockets.send(channel, serializeMessage({ identities, header, parentHeader, content }, this.#key))
    return header
  }

  flush(): void {
    this.#streams.flush()
  }

  #publishNow({ parent, msgType, content, metadata, buffers }: Publication, topic?: Uint8Array): void {
    const header = this.#makeHeader(msgType)
    const message = {
      identities: [topic ?? Buffer.from(`kernel.${header.session}.${msgType}`)],
      header,
      parentHeader: parent,
      content,
      ...(metadata && { metadata }),
      ...(buffers && { buffers }),
    }
    this.#sockets.send('iopub', serializeMessage(message, this.#key))
  }
}
