/**
 * Weights rounded to 8 or 4 bits by block. A block is `QUANTIZED_BLOCK` neighbours of a row with one scale. The scale is
 * m / -2^(bits-1), m the entry of largest magnitude with its sign: the end of the integer range that has no positive
 * partner then falls on m, which is represented exactly but for the rounding of the scale to bf16.
 */
import { bf16ToF32, f32ToBf16 } from './half.js'
import type { QuantizedBits } from './ops/dequantize.js'

/** Elements that share a scale. With bf16 scales a weight takes 4.5 or 8.5 bits. */
export const QUANTIZED_BLOCK = 32

/** What rounding has cost. */
export interface QuantizationError {
  /** |w - q| / |w| over the tensor (L2 norms); 0 for a tensor of zeros. */
  readonly relativeL2: number
  /** Largest |w - q|. */
  readonly maxAbs: number
}

/** Sums over the elements seen so far, from which a {@link QuantizationError} is made. */
export interface ErrorSums {
  squaredError: number
  squaredValue: number
  maxAbs: number
}

export interface QuantizedPart {
  /** Signed integers, packed as {@link ./ops/dequantize.ts dequantize} reads them. */
  readonly codes: Uint8Array
  /** One bf16 a block. */
  readonly scales: Uint16Array
}

/**
 * Quantises whole blocks of values into `into`, and adds their errors to `sums`. Values that are not finite make their
 * whole block NaN, so that they are noticed.
 * @param values a multiple of {@link QUANTIZED_BLOCK} elements
 */
export function quantizeBlocks(values: Float32Array, bits: QuantizedBits, into: QuantizedPart, sums: ErrorSums): void {
  const [low, high] = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
  for (let start = 0, block = 0; start < values.length; start += QUANTIZED_BLOCK, block++) {
    const scaleBits = f32ToBf16(extremeOf(values, start) / low)
    const scale = bf16ToF32(scaleBits)
    into.scales[block] = scaleBits
    for (let i = start; i < start + QUANTIZED_BLOCK; i++) {
      const value = values[i]!
      const code = scale === 0 ? 0 : Math.min(high, Math.max(low, Math.round(value / scale)))
      if (bits === 8) into.codes[i] = code & 255
      else if (i % 2 === 0) into.codes[i >> 1] = code & 15
      else into.codes[i >> 1]! |= (code & 15) << 4
      const error = Math.abs(value - code * scale)
      sums.squaredError += error * error
      sums.squaredValue += value * value
      if (error > sums.maxAbs) sums.maxAbs = error
    }
  }
}

/** The entry of largest magnitude of a block; NaN when one is not finite. */
function extremeOf(values: Float32Array, start: number): number {
  let extreme = 0
  for (let i = start; i < start + QUANTIZED_BLOCK; i++) {
    const value = values[i]!
    if (!Number.isFinite(value)) return Number.NaN
    if (Math.abs(value) > Math.abs(extreme)) extreme = value
  }
  return extreme
}

export function quantizationError({ squaredError, squaredValue, maxAbs }: ErrorSums): QuantizationError {
  return { relativeL2: squaredValue === 0 ? 0 : Math.sqrt(squaredError / squaredValue), maxAbs }
}

/** The values that codes and scales stand for. */
export function dequantizeBlocks({ codes, scales }: QuantizedPart, bits: QuantizedBits): Float32Array {
  const out = new Float32Array((codes.length * 8) / bits)
  for (let i = 0; i < out.length; i++) {
    const byte = bits === 8 ? codes[i]! : (codes[i >> 1]! >> (4 * (i % 2))) & 15
    const code = byte >= 2 ** (bits - 1) ? byte - 2 ** bits : byte
    out[i] = code * bf16ToF32(scales[Math.floor(i / QUANTIZED_BLOCK)]!)
  }
  return out
}
