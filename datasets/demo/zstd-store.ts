/** Largest block that the zstd format allows, bytes. */
const blockBytes = 128 * 1024
const magic = 0xfd2f_b528

/**
 * One zstd frame (RFC 8878) that holds `content` without compressing it: the content size in the header, blocks of at most
 * 128 kB, a block of one repeated byte as RLE. Every decoder reads it, and the bytes do not depend on a compressor's version.
 *
 * @param content at most 4 GB; empty content gives a frame of zero documents
 */
export function zstdStoreFrame(content: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [frameHeader(content.byteLength)]
  let offset = 0
  do {
    const block = content.subarray(offset, offset + blockBytes)
    offset += block.byteLength
    parts.push(...encodeBlock(block, offset >= content.byteLength))
  } while (offset < content.byteLength)
  return concat(parts)
}

/** Magic number, descriptor (single segment, 4-byte content size), content size. */
function frameHeader(contentBytes: number): Uint8Array {
  const header = new Uint8Array(9)
  const view = new DataView(header.buffer)
  view.setUint32(0, magic, true)
  view.setUint8(4, 0b1010_0000)
  view.setUint32(5, contentBytes, true)
  return header
}

/** Block header (bit 0 last, bits 1-2 type, then the size), then the bytes: all of them (type 0) or one (type 1). */
function encodeBlock(block: Uint8Array, last: boolean): Uint8Array[] {
  const repeated = block.byteLength > 1 && block.every(byte => byte === block[0])
  const word = (last ? 1 : 0) | (repeated ? 0b010 : 0) | (block.byteLength << 3)
  const header = Uint8Array.of(word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff)
  return [header, repeated ? block.subarray(0, 1) : block]
}

/** Joins byte arrays; the result is a copy. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((bytes, part) => bytes + part.byteLength, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.byteLength
  }
  return joined
}
