import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { MetricRecord } from '../train/metrics.js'
import { decodeRecord } from '../train/metrics-codec.js'
import { LabError } from '../util/errors.js'

/** What a look at the file has brought. */
export interface TailStep {
  /** The file is not the one that was followed, or a resume has cut it: everything known before is void. */
  reset: boolean
  records: MetricRecord[]
  /** There is more to read at once. */
  more: boolean
}

/** A place in the file that a reader has reached: the number of its next record, and the mark of the last one it has. */
export interface TailPosition {
  next: number
  mark: number
}

/** Bytes read in one step: some ten milliseconds of parsing. */
const STEP_BYTES = 1 << 20

interface Known {
  /** Byte offset after the line of each record. */
  ends: number[]
  /** CRC-32 of the line of each record, by which a reader proves that it has this line and not one that was cut off since. */
  marks: number[]
}

/**
 * Follows a metrics.jsonl that any process may write: what is appended is read once; a file that was cut by a resume, replaced or
 * removed is told by the bytes of the last line read. Holds no file open between two looks.
 */
export class MetricsTail {
  readonly path: string
  #known: Known = { ends: [], marks: [] }
  #seen = ''

  constructor(path: string) {
    this.path = path
  }

  /** Number of the next record, which is how many have been read. */
  get next(): number {
    return this.#known.ends.length
  }

  /** The mark of the record before `next`; 0 at the beginning. */
  markBefore(next: number): number {
    return this.#known.marks[next - 1] ?? 0
  }

  /** Whether a reader at this position has a true prefix of the file. */
  isPrefix({ next, mark }: TailPosition): boolean {
    return next <= this.next && this.markBefore(next) === (next === 0 ? 0 : mark)
  }

  /**
   * Reads what is new, at most about a megabyte.
   * @throws LabError METRICS_LINE | METRICS_SEQ when the next complete line is no record in its place; those before it came first
   */
  async step(): Promise<TailStep> {
    const file = await open(this.path, 'r').catch(ignoreMissing)
    if (!file) return { reset: this.#forget(), records: [], more: false }
    try {
      return await this.#read(file)
    } finally {
      await file.close()
    }
  }

  /**
   * The lines of the records from number `from` on, as they stand in the file, about `maxBytes` of them and at least one; null when
   * the file has changed under the reader (the next step will tell).
   */
  async lines(from: number, { maxBytes = STEP_BYTES } = {}): Promise<string[] | null> {
    const { ends, marks } = this.#known
    const start = ends[from - 1] ?? 0
    let to = from
    while (to < ends.length && (to === from || ends[to]! - start <= maxBytes)) to++
    if (to === from) return []
    const file = await open(this.path, 'r').catch(ignoreMissing)
    if (!file) return null
    try {
      const bytes = await readRange(file, start, ends[to - 1]!)
      const lines = Array.from({ length: to - from }, (_, i) =>
        bytes.subarray((ends[from + i - 1] ?? 0) - start, ends[from + i]! - start - 1),
      )
      return lines.every((line, i) => crc32(line) === marks[from + i]) ? lines.map(line => line.toString('utf8')) : null
    } finally {
      await file.close()
    }
  }

  /** Forgets what was read; whether there was anything. */
  #forget(): boolean {
    const had = this.next > 0
    this.#known = { ends: [], marks: [] }
    this.#seen = ''
    return had
  }

  async #read(file: FileHandle): Promise<TailStep> {
    const { ino, size, mtimeMs } = await file.stat()
    const seen = `${ino}:${size}:${mtimeMs}`
    if (seen === this.#seen) return { reset: false, records: [], more: false }
    const { ends, marks } = this.#known
    const end = ends.at(-1) ?? 0
    // the last line known is read again: when it is still there, so is all before it
    const from = ends.at(-2) ?? 0
    const bytes = await readRange(file, from, Math.min(size, end + STEP_BYTES))
    const isSame = size >= end && (end === 0 || crc32(bytes.subarray(0, end - from - 1)) === marks.at(-1))
    const reset = !isSame && this.#forget()
    if (reset) return { ...(await this.#read(file)), reset }
    const { records, isCut } = this.#take(bytes.subarray(end - from), end)
    const more = isCut || (from + bytes.length < size && records.length > 0)
    if (!more) this.#seen = seen
    return { reset, records, more }
  }

  /** Takes the complete lines of a part of the file that begins at a line; cut before one that is bad and not the first. */
  #take(bytes: Buffer, offset: number): { records: MetricRecord[]; isCut: boolean } {
    const { ends, marks } = this.#known
    const records: MetricRecord[] = []
    let start = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      const line = bytes.subarray(start, end)
      try {
        records.push(this.#decode(line))
      } catch (error) {
        if (records.length === 0) throw error
        return { records, isCut: true }
      }
      start = end + 1
      ends.push(offset + start)
      marks.push(crc32(line))
    }
    return { records, isCut: false }
  }

  #decode(line: Buffer): MetricRecord {
    const where = `${this.path}, line ${this.next + 1}`
    const record = decodeRecord(line.toString('utf8'), where)
    if (record.seq === this.next) return record
    throw new LabError(
      'METRICS_SEQ',
      `${where}: expected seq ${this.next}, found ${record.seq}. Lines were removed, repeated or reordered; restore the file as the run wrote it.`,
    )
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null
  throw error
}

async function readRange(file: FileHandle, start: number, end: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(Math.max(0, end - start))
  let done = 0
  while (done < bytes.length) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, start + done)
    // the file has become shorter since it was measured
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}
