import { createHash } from 'node:crypto'
import type { ByteSource } from '../util/byte-source.js'

/** Bytes of each sample; of a file of up to three of them all bytes are taken. */
export const SAMPLE_BYTES: number = 1 << 16

/**
 * SHA-256 over a file's size and its first, middle and last {@link SAMPLE_BYTES}: tells files apart that were edited in place,
 * rewritten or compressed anew, at a cost that does not grow with their size. An edit of the same size between the samples is
 * not seen.
 */
export async function sampleHash(source: ByteSource): Promise<string> {
  const { byteLength } = source
  const hash = createHash('sha256').update(`${byteLength}\n`)
  const middle = Math.floor((byteLength - SAMPLE_BYTES) / 2)
  const starts = byteLength <= 3 * SAMPLE_BYTES ? [0] : [0, middle, byteLength - SAMPLE_BYTES]
  for (const start of starts) {
    const end = starts.length === 1 ? byteLength : start + SAMPLE_BYTES
    hash.update(await source.slice(start, end))
  }
  return hash.digest('hex')
}
