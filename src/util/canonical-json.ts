import { createHash } from 'node:crypto'

/** JSON with object keys sorted at every level, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

/** SHA-256 (hex) of bytes, of text as UTF-8, or of any other value as canonical JSON. */
export function sha256(value: unknown): string {
  const bytes = typeof value === 'string' || value instanceof Uint8Array ? value : canonicalJson(value)
  return createHash('sha256').update(bytes).digest('hex')
}
