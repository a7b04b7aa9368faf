/** The frames that cross the pipes: u32 length of a JSON header (little-endian), the header, the blobs that it lists. */
import { spelledJson } from '../../tensor/spelled.js'

/** A blob of a frame: after the header, or a file that the receiver removes. */
export interface BlobRef {
  readonly bytes: number
  readonly path?: string
}

export interface Frame {
  readonly header: Record<string, unknown>
  readonly refs: readonly BlobRef[]
  /** Contents of the blobs that follow the header, in the order of `refs`; each has a buffer of its own. */
  readonly inline: readonly Uint8Array[]
}

/** Bytes before the blobs. Numbers that JSON does not know become strings ({@link spelledJson}). */
export function encodeHeader(header: object, refs: readonly BlobRef[]): Buffer {
  const text = Buffer.from(spelledJson({ ...header, blobs: refs }))
  const prefix = Buffer.alloc(4)
  prefix.writeUInt32LE(text.length)
  return Buffer.concat([prefix, text])
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  readonly #onFrame: (frame: Frame) => void
  #target = new Uint8Array(4)
  #filled = 0
  #stage: 'prefix' | 'header' | 'blob' = 'prefix'
  #frame: { header: Record<string, unknown>; refs: BlobRef[]; inline: Uint8Array[] } | null = null
  #missing: number[] = []

  constructor(onFrame: (frame: Frame) => void) {
    this.#onFrame = onFrame
  }

  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      const count = Math.min(chunk.length - at, this.#target.length - this.#filled)
      this.#target.set(chunk.subarray(at, at + count), this.#filled)
      at += count
      this.#filled += count
      while (this.#filled === this.#target.length && this.#advance());
    }
  }

  /** Handles a filled target and sets the next one; false when that one needs bytes. */
  #advance(): boolean {
    const done = this.#target
    if (this.#stage === 'prefix') return this.#expect('header', new DataView(done.buffer).getUint32(0, true))
    if (this.#stage === 'header') {
      const { blobs, ...header } = JSON.parse(new TextDecoder().decode(done)) as { blobs: BlobRef[] }
      this.#frame = { header, refs: blobs, inline: [] }
      this.#missing = blobs.filter(ref => ref.path === undefined).map(ref => ref.bytes)
    } else this.#frame!.inline.push(done)
    const next = this.#missing.shift()
    if (next !== undefined) return this.#expect('blob', next)
    this.#onFrame(this.#frame!)
    return this.#expect('prefix', 4)
  }

  #expect(stage: 'prefix' | 'header' | 'blob', bytes: number): boolean {
    this.#stage = stage
    this.#target = new Uint8Array(bytes)
    this.#filled = 0
    return bytes === 0
  }
}
