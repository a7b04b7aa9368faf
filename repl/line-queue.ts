/** Lines that come when they come, one of which can be looked at before it is taken. */

export class LineQueue {
  readonly #lines: AsyncIterator<string>
  /** The next line, which somebody has looked at or waited for without taking it. */
  #ahead: Promise<string | null> | null = null

  constructor(lines: AsyncIterable<string>) {
    this.#lines = lines[Symbol.asyncIterator]()
  }

  /** Takes the next line; null at the end. */
  next(): Promise<string | null> {
    const next = this.#ahead ?? this.#read()
    this.#ahead = null
    return next
  }

  /** The next line without taking it; null at the end, undefined when none has come after `waitMs`. */
  async peek(waitMs: number): Promise<string | null | undefined> {
    this.#ahead ??= this.#read()
    return Promise.race([this.#ahead, pause(waitMs)])
  }

  /** Waits until there is a next line, without taking it. */
  async ready(): Promise<void> {
    this.#ahead ??= this.#read()
    await this.#ahead
  }

  async #read(): Promise<string | null> {
    const { value, done } = await this.#lines.next()
    return done ? null : value
  }
}

/** Lines that have come while this thread was busy are read before it is over. */
async function pause(waitMs: number): Promise<undefined> {
  await new Promise(resolve => setTimeout(resolve, waitMs))
  for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
}
