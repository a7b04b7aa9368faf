/** Gathers small pieces of a stream into few messages, in their order. */
import type { TextChunk, TextSource } from './text-ring.js'

export interface StreamBatchOptions {
  send: (chunk: TextChunk) => void
  /** How long text waits for more, in milliseconds. */
  windowMs: number
  /** Characters that are sent without waiting any longer. */
  maxChars: number
}

/**
 * Text of the same cell and the same stream is joined until the window ends, until there is much of it, or until something else
 * has to be sent first ({@link flush}).
 */
export class StreamBatch {
  readonly #options: StreamBatchOptions
  #parts: string[] = []
  #chars = 0
  #current: TextSource | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(options: StreamBatchOptions) {
    this.#options = options
  }

  write({ parent, name, text }: TextChunk): void {
    const current = this.#current
    if (current && (current.parent?.msg_id !== parent?.msg_id || current.name !== name)) this.flush()
    this.#current ??= { parent, name }
    this.#parts.push(text)
    this.#chars += text.length
    if (this.#chars >= this.#options.maxChars) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), this.#options.windowMs)
  }

  /** Sends what was gathered. */
  flush(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    if (!this.#current) return
    const chunk = { ...this.#current, text: this.#parts.join('') }
    this.#current = null
    this.#parts = []
    this.#chars = 0
    this.#options.send(chunk)
  }
}
