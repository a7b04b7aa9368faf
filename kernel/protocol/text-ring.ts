/**
 * Text of cells on its way from the thread that runs them to the server thread, in shared memory: it arrives while the writer
 * computes and never comes back to its event loop, and a burst makes the writer wait instead of filling the memory.
 *
 * The ring holds records `[length u32][kind u8][bytes]`: who writes from here on, text, and barriers. A barrier stands for a message
 * that is sent beside the ring; the reader stops there until that message has come, so that both keep one order.
 */
import type { Header } from './wire.js'

/** Who writes: the request of the cell (null before the first), and the stream. */
export interface TextSource {
  parent: Header | null
  name: 'stdout' | 'stderr'
}

export interface TextChunk extends TextSource {
  text: string
}

const ringBytes = 1 << 20
/** Slots before the bytes: how much was written and read (modulo 2^32), whether the reader was woken, whether it is gone. */
const [WRITTEN, READ, AWAKE, CLOSED] = [0, 1, 2, 3]
const slotCount = 4
const recordHead = 5
const [TEXT, SOURCE, BARRIER] = [0, 1, 2]
/** Longest text of one record, in UTF-16 units. */
const pieceChars = 16 * 1024
/** Room that text leaves, for barriers. */
const spareBytes = 64 * 1024
/** How long a writer waits for a reader that does not read, in milliseconds. */
const stallMs = 10_000

export function createTextRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * slotCount + ringBytes)
}

function viewsOf(ring: SharedArrayBuffer) {
  return { slots: new Int32Array(ring, 0, slotCount), bytes: new Uint8Array(ring, 4 * slotCount) }
}

/** Index into the ring of a position that counts all bytes ever. */
const at = (position: number) => position & (ringBytes - 1)

export class TextRingWriter {
  readonly #slots: Int32Array
  readonly #bytes: Uint8Array
  readonly #wake: () => void
  readonly #scratch = Buffer.allocUnsafe(3 * pieceChars)
  #source: TextSource | null = null

  /** @param wake Called when the reader has something to read that it was not told of */
  constructor(ring: SharedArrayBuffer, wake: () => void) {
    const { slots, bytes } = viewsOf(ring)
    this.#slots = slots
    this.#bytes = bytes
    this.#wake = wake
  }

  /** Sends text; waits while the ring is full. Returns whether all of it was taken: the reader may be gone or stuck. */
  write(source: TextSource, text: string): boolean {
    if (!this.#isCurrent(source)) {
      const { parent, name } = source
      if (!this.#put(SOURCE, Buffer.from(JSON.stringify({ parent, name })), spareBytes)) return false
      this.#source = source
    }
    for (let start = 0; start < text.length; ) {
      const end = pieceEnd(text, start)
      const length = this.#scratch.write(text.slice(start, end))
      if (!this.#put(TEXT, this.#scratch.subarray(0, length), spareBytes)) return false
      start = end
    }
    if (Atomics.exchange(this.#slots, AWAKE, 1) === 0) this.#wake()
    return true
  }

  /** Marks the place of a message that is about to be sent. */
  barrier(): void {
    this.#put(BARRIER, new Uint8Array(0), 0)
  }

  #isCurrent({ parent, name }: TextSource): boolean {
    return this.#source?.name === name && this.#source.parent?.msg_id === parent?.msg_id
  }

  #put(kind: number, body: Uint8Array, spare: number): boolean {
    const size = recordHead + body.length
    if (!this.#waitForRoom(size + spare)) return false
    const start = Atomics.load(this.#slots, WRITTEN) >>> 0
    const { length } = body
    const head = [length & 255, (length >> 8) & 255, (length >> 16) & 255, length >>> 24, kind]
    for (let i = 0; i < recordHead; i++) this.#bytes[at(start + i)] = head[i]!
    const first = at(start + recordHead)
    const fits = Math.min(length, ringBytes - first)
    this.#bytes.set(body.subarray(0, fits), first)
    if (fits < length) this.#bytes.set(body.subarray(fits), 0)
    Atomics.store(this.#slots, WRITTEN, (start + size) | 0)
    return true
  }

  #waitForRoom(size: number): boolean {
    let deadline = 0
    for (;;) {
      if (Atomics.load(this.#slots, CLOSED) !== 0) return false
      const read = Atomics.load(this.#slots, READ)
      const used = (Atomics.load(this.#slots, WRITTEN) - read) >>> 0
      if (ringBytes - used >= size) return true
      const now = performance.now()
      deadline ||= now + stallMs
      if (now > deadline) return false
      if (Atomics.exchange(this.#slots, AWAKE, 1) === 0) this.#wake()
      Atomics.wait(this.#slots, READ, read, 50)
    }
  }
}

/** Where a piece of `text` ends that begins at `start`: never between the two halves of a character. */
function pieceEnd(text: string, start: number): number {
  const end = Math.min(text.length, start + pieceChars)
  const code = text.charCodeAt(end - 1)
  return end < text.length && code >= 0xd800 && code < 0xdc00 ? end - 1 : end
}

export class TextRingReader {
  readonly #slots: Int32Array
  readonly #bytes: Uint8Array
  readonly #text = Buffer.allocUnsafe(ringBytes)
  #source: TextSource = { parent: null, name: 'stdout' }

  constructor(ring: SharedArrayBuffer) {
    const { slots, bytes } = viewsOf(ring)
    this.#slots = slots
    this.#bytes = bytes
  }

  /** Hands out what has been written so far, up to the first barrier. */
  drain(take: (chunk: TextChunk) => void): void {
    Atomics.store(this.#slots, AWAKE, 0)
    this.#read(take)
  }

  /** Hands out what was written before the message that has come, and passes its barrier. */
  pass(take: (chunk: TextChunk) => void): void {
    if (this.#read(take)) this.#advance(recordHead)
  }

  /** Nothing is read any more: a writer that waits for room goes on without. */
  close(): void {
    Atomics.store(this.#slots, CLOSED, 1)
    Atomics.notify(this.#slots, READ)
  }

  /** Whether the reading ended at a barrier. */
  #read(take: (chunk: TextChunk) => void): boolean {
    const end = Atomics.load(this.#slots, WRITTEN) >>> 0
    let position = Atomics.load(this.#slots, READ) >>> 0
    let gathered = 0
    let isBarrier = false
    const handOut = () => {
      if (gathered > 0) take({ ...this.#source, text: this.#text.toString('utf8', 0, gathered) })
      gathered = 0
    }
    while (position !== end && !isBarrier) {
      const { length, kind } = this.#headAt(position)
      isBarrier = kind === BARRIER
      if (isBarrier) break
      if (kind === SOURCE) handOut()
      this.#copy(position + recordHead, { length, to: gathered })
      if (kind === TEXT) gathered += length
      else this.#source = JSON.parse(this.#text.toString('utf8', 0, length)) as TextSource
      position = (position + recordHead + length) >>> 0
    }
    // room first: the writer may wait for it while the text goes out
    this.#advance((position - Atomics.load(this.#slots, READ)) >>> 0)
    handOut()
    return isBarrier
  }

  #headAt(position: number): { length: number; kind: number } {
    const byte = (i: number) => this.#bytes[at(position + i)]!
    return { length: byte(0) | (byte(1) << 8) | (byte(2) << 16) | (byte(3) << 24), kind: byte(4) }
  }

  #copy(position: number, { length, to }: { length: number; to: number }): void {
    const first = at(position)
    const fits = Math.min(length, ringBytes - first)
    this.#text.set(this.#bytes.subarray(first, first + fits), to)
    if (fits < length) this.#text.set(this.#bytes.subarray(0, length - fits), to + fits)
  }

  #advance(size: number): void {
    Atomics.add(this.#slots, READ, size | 0)
    Atomics.notify(this.#slots, READ)
  }
}
