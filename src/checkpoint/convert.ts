import { LabError } from '../util/errors.js'
import type { StorageDtype } from './tensor-source.js'

/** Storage types that weights are read from and written to. */
export type FloatDtype = 'F32' | 'F16' | 'BF16'

export function isFloatDtype(dtype: StorageDtype): dtype is FloatDtype {
  return dtype === 'F32' || dtype === 'F16' || dtype === 'BF16'
}

const f32 = new Float32Array(1)
const bitsOfF32 = new Uint32Array(f32.buffer)

/** Bits of the bfloat16 nearest to the float32 with these bits; ties to even, NaN stays a (quiet) NaN. */
function roundToBf16(bits: number): number {
  if ((bits & 0x7fff_ffff) > 0x7f80_0000) return (bits >>> 16) | 0x40
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

/** Bits of the float16 nearest to the float32 with these bits; ties to even, overflow to infinity, subnormals kept. */
function roundToF16(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fff_ffff
  if (magnitude > 0x7f80_0000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff)
  if (magnitude >= 0x477f_f000) return sign | 0x7c00
  if (magnitude >= 0x3880_0000) return sign | ((magnitude - 0x3800_0000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13)
  if (magnitude <= 0x3300_0000) return sign
  // a subnormal counts steps of 2^-24: shift the 24-bit significand down to them and round what falls off
  const shift = 126 - (magnitude >>> 23)
  const significand = (magnitude & 0x7f_ffff) | 0x80_0000
  const kept = significand >>> shift
  const rest = significand - kept * 2 ** shift
  const half = 2 ** (shift - 1)
  return sign | (rest > half || (rest === half && (kept & 1) === 1) ? kept + 1 : kept)
}

/** Bits of the float32 that equals the float16 with these bits. */
function widenF16(half: number): number {
  const sign = (half & 0x8000) << 16
  const exponent = (half >>> 10) & 0x1f
  const fraction = half & 0x3ff
  if (exponent === 0x1f) return (sign | 0x7f80_0000 | (fraction << 13)) >>> 0
  if (exponent > 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0
  f32[0] = fraction * 2 ** -24
  return (sign | bitsOfF32[0]!) >>> 0
}

let f16Table: Uint32Array | null = null

function f16Widened(): Uint32Array {
  return (f16Table ??= Uint32Array.from({ length: 65536 }, (_, half) => widenF16(half)))
}

/** The same bytes at an address that a typed array of this width accepts; copied only when they lie askew. */
function aligned(bytes: Uint8Array, width: number): Uint8Array {
  if (bytes.byteLength % width !== 0)
    throw new LabError('CONVERT', `${bytes.byteLength} bytes are not a whole number of ${width}-byte elements.`)
  return bytes.byteOffset % width === 0 ? bytes : bytes.slice()
}

function words16(bytes: Uint8Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = aligned(bytes, 2)
  return new Uint16Array(buffer, byteOffset, byteLength / 2)
}

/**
 * Stored bytes (little-endian) as float32 values; exact for all three types.
 *
 * @returns for F32 a view of `bytes` where their alignment allows it, else a new array
 * @throws LabError CONVERT for other types or a length that is not a whole number of elements
 */
export function toFloat32(bytes: Uint8Array, dtype: StorageDtype): Float32Array {
  if (dtype === 'F32') {
    const { buffer, byteOffset, byteLength } = aligned(bytes, 4)
    return new Float32Array(buffer, byteOffset, byteLength / 4)
  }
  if (!isFloatDtype(dtype))
    throw new LabError('CONVERT', `${dtype} is not read as float32; weights are stored as F32, F16 or BF16.`)
  const words = words16(bytes)
  const out = new Uint32Array(words.length)
  if (dtype === 'BF16') for (let i = 0; i < words.length; i++) out[i] = words[i]! << 16
  else {
    const table = f16Widened()
    for (let i = 0; i < words.length; i++) out[i] = table[words[i]!]!
  }
  return new Float32Array(out.buffer)
}

/**
 * Float32 values as stored bytes (little-endian), rounded to the nearest value of the type, ties to even. Values beyond
 * the largest finite one become infinite; NaN stays NaN.
 *
 * @returns for F32 a view of `values`, else a new array
 */
export function fromFloat32(values: Float32Array, dtype: FloatDtype): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length)
  const out = new Uint16Array(bits.length)
  if (dtype === 'BF16') for (let i = 0; i < bits.length; i++) out[i] = roundToBf16(bits[i]!)
  else for (let i = 0; i < bits.length; i++) out[i] = roundToF16(bits[i]!)
  return new Uint8Array(out.buffer)
}

/**
 * Stored I32 or I64 bytes as 32-bit integers (token ids).
 *
 * @throws LabError CONVERT for other types, or a 64-bit value outside the 32-bit range
 */
export function toInt32(bytes: Uint8Array, dtype: StorageDtype): Int32Array {
  if (dtype === 'I32') {
    const { buffer, byteOffset, byteLength } = aligned(bytes, 4)
    return new Int32Array(buffer, byteOffset, byteLength / 4)
  }
  if (dtype !== 'I64') throw new LabError('CONVERT', `${dtype} is not read as integers; expected I32 or I64.`)
  const { buffer, byteOffset, byteLength } = aligned(bytes, 8)
  return Int32Array.from(new BigInt64Array(buffer, byteOffset, byteLength / 8), value => {
    if (value !== BigInt.asIntN(32, value)) throw new LabError('CONVERT', `${value} does not fit into 32 bits.`)
    return Number(value)
  })
}
