/**
 * The byte-level alphabet of GPT-2, which every byte-level `tokenizer.json` uses: each of the 256 bytes is written as one
 * printable character, so that any byte string can be stored in JSON. Bytes that Latin-1 prints stand for themselves, the
 * other 68 are written, in byte order, as the code points from U+0100 on.
 */
function buildAlphabet(): string[] {
  const printable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++))
}

/** `byteAlphabet[b]` is the character that stands for byte `b`. */
export const byteAlphabet: readonly string[] = buildAlphabet()

/** Bytes as a byte-level token: one alphabet character a byte. */
export function bytesToToken(bytes: Uint8Array): string {
  let token = ''
  for (const byte of bytes) token += byteAlphabet[byte]!
  return token
}
