/** Gathers small pieces of a stream into few messages, in their order. */
import type { Header } from './wire.js'

export interface StreamChunk {
  /** Header of the request that the text belongs to. */
  parent: Header | null
  name: 'stdout' | 'stderr'
  text: string
}

export interface StreamBatchOptions {
  send: (chunk: StreamChunk) => void
  /** Chunks that are sent at once in a window before gathering begins; default 0: everything waits for the window's end. */
  immediate?: number
  /** Length of the window in milliseconds. */
  windowMs: number
  /** Characters that are sent without waiting any longer. */
  maxChars: number
}

/**
 * Text of the same cell and the same stream is joined until the window ends, until there is much of it, or until something else
 * has to be sent first ({@link flush}). The clock is read at every write, so a thread that never comes back to its event loop still sends.
 */
export class StreamBatch {
  readonly #options: Required<StreamBatchOptions>
  #parts: string[] = []
  #chars = 0
  #current: { parent: Header | null; name: 'stdout' | 'stderr' } | null = null
  #timer: NodeJS.Timeout | null = null
  #windowStart = 0
  #sentInWindow = 0

  constructor(options: StreamBatchOptions) {
    this.#options = { immediate: 0, ...options }
  }

  write({ parent, name, text }: StreamChunk): void {
    const current = this.#current
    if (current && (current.parent?.msg_id !== parent?.msg_id || current.name !== name)) this.flush()
    this.#current ??= { parent, name }
    this.#parts.push(text)
    this.#chars += text.length
    if (this.#isDue()) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), this.#options.windowMs)
  }

  #isDue(): boolean {
    const { immediate, windowMs, maxChars } = this.#options
    const now = performance.now()
    if (now - this.#windowStart >= windowMs) {
      this.#windowStart = now
      this.#sentInWindow = 0
    }
    return this.#chars >= maxChars || this.#sentInWindow < immediate
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
    this.#sentInWindow++
    this.#options.send(chunk)
  }
}
