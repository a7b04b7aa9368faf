/** Element types of the safetensors format and their widths in bits. */
export const dtypeBits = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const

/** An element type as safetensors names it. */
export type StorageDtype = keyof typeof dtypeBits

/** Where a tensor's bytes lie: `byteLength` bytes, little-endian and row-major, from `byteOffset` of the file `path`. */
export interface TensorSource {
  path: string
  byteOffset: number
  byteLength: number
  dtype: StorageDtype
  shape: number[]
}

export function isStorageDtype(name: unknown): name is StorageDtype {
  return typeof name === 'string' && Object.hasOwn(dtypeBits, name)
}

/**
 * Bytes that a tensor of this type and shape takes, or null when the element count leaves the safe integers or the bits
 * do not fill whole bytes.
 */
export function byteLengthOf(dtype: StorageDtype, shape: readonly number[]): number | null {
  let bits: number = dtypeBits[dtype]
  // sizes are multiplied in order, so an overflow before a zero is an overflow, as in the reference implementation
  for (const size of shape) {
    bits *= size
    if (!Number.isSafeInteger(bits)) return null
  }
  return bits % 8 === 0 ? bits / 8 : null
}
