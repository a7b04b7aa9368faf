import { LabError } from '../util/errors.js'
import { formatBytes } from '../util/format.js'

/**
 * Element types of a tensor. `f32` is what arithmetic is done in; `f16` and `bf16` are storage types that are cast before
 * and after (`bf16` = the upper half of an f32); `i32` holds token ids and positions; `bool` holds masks, a byte each; `u8`
 * holds bytes that an op gives their meaning, as {@link ./ops/dequantize.ts dequantize} does.
 */
export type DType = 'f32' | 'f16' | 'bf16' | 'i32' | 'bool' | 'u8'

/** Host memory of a tensor's elements: f16 and bf16 as their raw 16 bits. */
export type HostArray = Float32Array | Uint16Array | Int32Array | Uint8Array

export const bytesPerElement: Record<DType, number> = { f32: 4, f16: 2, bf16: 2, i32: 4, bool: 1, u8: 1 }

export function isFloat(dtype: DType): boolean {
  return dtype === 'f32' || dtype === 'f16' || dtype === 'bf16'
}

/** A zero-filled host array for `length` elements. @throws LabError OUT_OF_MEMORY with the bytes */
export function hostArray(dtype: DType, length: number): HostArray {
  const bytes = length * bytesPerElement[dtype]
  try {
    return viewAs(dtype, new ArrayBuffer(bytes))
  } catch (cause) {
    // all that the runtime says is that the length is invalid, or that an allocation failed
    throw new LabError(
      'OUT_OF_MEMORY',
      `no memory for ${length} elements of ${dtype} (${formatBytes(bytes)}); make the tensor smaller, or free others`,
      { cause },
    )
  }
}

const arrayNames: Record<DType, HostArray[typeof Symbol.toStringTag]> = {
  f32: 'Float32Array',
  f16: 'Uint16Array',
  bf16: 'Uint16Array',
  i32: 'Int32Array',
  bool: 'Uint8Array',
  u8: 'Uint8Array',
}

/** The name of the typed array that holds elements of a type. */
export function arrayNameOf(dtype: DType): string {
  return arrayNames[dtype]
}

const wholeRanges: Partial<Record<DType, readonly [number, number]>> = {
  i32: [-(2 ** 31), 2 ** 31 - 1],
  bool: [0, 1],
  u8: [0, 255],
}

/** Refuses a number that elements of the type cannot be. @param what where it came from, for the error @throws LabError DTYPE */
export function checkElement(what: string, value: number, dtype: DType): void {
  const range = wholeRanges[dtype]
  if (!range || (Number.isInteger(value) && range[0] <= value && value <= range[1])) return
  throw new LabError(
    'DTYPE',
    `${what}: expected a whole number from ${range[0]} to ${range[1]} for ${dtype}, got ${value}; round it, or cast() the other operand to f32`,
  )
}

/** Whether an array holds elements of that type. Engines take bytes as they are: i32 read as f32 would be other numbers. */
export function isArrayOf(dtype: DType, array: HostArray): boolean {
  return array[Symbol.toStringTag] === arrayNames[dtype]
}

/** The elements in memory of their own. A Node Buffer is a Uint8Array whose own `slice` shares its memory. */
export function copyOf<T extends HostArray>(data: T): T {
  return (data instanceof Uint8Array ? Uint8Array.prototype.slice.call(data) : data.slice()) as T
}

/** The same bytes seen as elements of another type; borrows the buffer. */
export function viewAs(dtype: DType, bytes: ArrayBufferLike, byteOffset = 0, length?: number): HostArray {
  if (dtype === 'f32') return new Float32Array(bytes, byteOffset, length)
  if (dtype === 'i32') return new Int32Array(bytes, byteOffset, length)
  return isByte(dtype) ? new Uint8Array(bytes, byteOffset, length) : new Uint16Array(bytes, byteOffset, length)
}

function isByte(dtype: DType): boolean {
  return dtype === 'bool' || dtype === 'u8'
}
