import type { ByteSource } from '../../util/byte-source.js'
import { ShardFault } from '../fault.js'

/**
 * Walks the frames of a Zstandard file (RFC 8878, section 3.1) without decoding them. Knowing where frames begin and end is what
 * makes several frames, skippable frames, truncation and restarts safe whichever decoder is used for the blocks.
 */
const FRAME_MAGIC = 0xfd2f_b528
const SKIPPABLE_MAGIC = 0x184d_2a50
const MAX_BLOCK_BYTES = 128 * 1024
const CHECKSUM_BYTES = 4

/** One frame with its parts in file order; `parts` must be read to the end before the next frame is asked for. */
export interface ZstdFrame {
  /** Offset of the frame in the file. */
  storedByte: number
  /** The header, then block by block (at most 128 KiB and 3 bytes each), then the checksum if there is one. */
  parts: AsyncGenerator<Uint8Array>
  /** The stored content checksum, known after `parts` has ended; undefined when the frame has none. */
  checksum: () => number | undefined
}

/** The frames of a file from byte `start`, which must be the start of a frame. Skippable frames are passed over. */
export async function* zstdFrames(source: ByteSource, start = 0): AsyncGenerator<ZstdFrame> {
  const reader = new ExactReader(source, start)
  try {
    for (;;) {
      const storedByte = reader.position
      const magic = await reader.readOrEnd(4)
      if (magic === null) return
      const word = uint32(magic)
      if ((word & 0xffff_fff0) >>> 0 === SKIPPABLE_MAGIC) {
        await reader.discard(uint32(await reader.read(4)))
      } else if (word === FRAME_MAGIC) {
        yield openFrame(reader, storedByte, magic)
      } else {
        throw new ShardFault(
          'corrupt',
          `${source.path}: expected a Zstandard frame at byte ${storedByte}, found 0x${word.toString(16).padStart(8, '0')}`,
        )
      }
    }
  } finally {
    await reader.close()
  }
}

function openFrame(reader: ExactReader, storedByte: number, magic: Uint8Array): ZstdFrame {
  let checksum: number | undefined
  async function* parts(): AsyncGenerator<Uint8Array> {
    const descriptor = (await reader.read(1))[0]!
    yield join(magic, Uint8Array.of(descriptor), await reader.read(headerRest(descriptor)))
    for (let last = false; !last; ) {
      const head = await reader.read(3)
      const word = head[0]! | (head[1]! << 8) | (head[2]! << 16)
      last = (word & 1) === 1
      yield join(head, await reader.read(storedBlockBytes(word, reader)))
    }
    if (!(descriptor & 4)) return
    const stored = await reader.read(CHECKSUM_BYTES)
    checksum = uint32(stored)
    yield stored
  }
  return { storedByte, parts: parts(), checksum: () => checksum }
}

/** Bytes of the frame header after its descriptor: window, dictionary id, content size. */
function headerRest(descriptor: number): number {
  const singleSegment = (descriptor >> 5) & 1
  const dictionary = [0, 1, 2, 4][descriptor & 3]!
  const contentSize = [singleSegment, 2, 4, 8][descriptor >> 6]!
  return (singleSegment ? 0 : 1) + dictionary + contentSize
}

function storedBlockBytes(word: number, reader: ExactReader): number {
  const type = (word >> 1) & 3
  const size = word >> 3
  if (type === 3 || size > MAX_BLOCK_BYTES) {
    const what = type === 3 ? 'the reserved type' : `a size of ${size} bytes (at most ${MAX_BLOCK_BYTES} is allowed)`
    throw new ShardFault('corrupt', `${reader.path}: Zstandard block before byte ${reader.position} has ${what}`)
  }
  return type === 1 ? 1 : size
}

/** Reads exact byte counts from a chunked stream. */
class ExactReader {
  readonly #iterator: AsyncIterator<Uint8Array>
  #rest: Uint8Array = new Uint8Array(0)
  readonly path: string

  constructor(
    source: ByteSource,
    public position: number,
  ) {
    this.path = source.path
    this.#iterator = source.stream(position)[Symbol.asyncIterator]()
  }

  /** Exactly `count` bytes, or null when the stream ends before the first of them. */
  async readOrEnd(count: number): Promise<Uint8Array | null> {
    const pieces: Uint8Array[] = []
    let missing = count
    while (missing > 0) {
      if (this.#rest.byteLength === 0 && !(await this.#refill())) {
        if (missing === count) return null
        throw this.#truncated()
      }
      const piece = this.#rest.subarray(0, missing)
      this.#rest = this.#rest.subarray(piece.byteLength)
      this.position += piece.byteLength
      missing -= piece.byteLength
      pieces.push(piece)
    }
    return pieces.length === 1 ? pieces[0]! : join(...pieces)
  }

  async read(count: number): Promise<Uint8Array> {
    const bytes = await this.readOrEnd(count)
    if (bytes === null) throw this.#truncated()
    return bytes
  }

  async discard(count: number): Promise<void> {
    for (let missing = count; missing > 0; ) {
      const step = Math.min(missing, MAX_BLOCK_BYTES)
      await this.read(step)
      missing -= step
    }
  }

  async close(): Promise<void> {
    await this.#iterator.return?.()
  }

  async #refill(): Promise<boolean> {
    const { value, done } = await this.#iterator.next()
    if (done) return false
    this.#rest = value
    return true
  }

  #truncated(): ShardFault {
    return new ShardFault(
      'truncated',
      `${this.path}: the file ends at byte ${this.position}, inside a Zstandard frame; fetch it again`,
    )
  }
}

function uint32(bytes: Uint8Array): number {
  return (bytes[0]! | (bytes[1]! << 8) | (bytes[2]! << 16) | (bytes[3]! << 24)) >>> 0
}

function join(...pieces: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.byteLength, 0))
  let offset = 0
  for (const piece of pieces) {
    out.set(piece, offset)
    offset += piece.byteLength
  }
  return out
}
