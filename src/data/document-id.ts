import { createHash } from 'node:crypto'

/** Identifies a document by its text: the first 128 bits (32 hex digits) of the SHA-256 of its UTF-8. */
export function documentHash(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('hex').slice(0, 32)
}
