import { closeSync, openSync, readSync } from 'node:fs'
import { type HostArray, hostArray, viewAs } from '../tensor/dtype.js'
import type { VariableInit } from '../tensor/engine.js'
import type { TensorSpec } from '../tensor/graph.js'
import { f16ToF32 } from '../tensor/half.js'
import { toHost } from '../tensor/leaf.js'
import { sizeOf } from '../tensor/shape.js'
import { LabError } from '../util/errors.js'

/** One read of a file takes no more than 2 GiB on any platform. */
const READ_BYTES = 1 << 30

/**
 * The first elements of a variable in its own dtype, for engines whose memory is filled from the host. Host data is
 * borrowed; a file is read and converted.
 * @throws LabError TRUNCATED when a file ends too early, OUT_OF_MEMORY with the bytes
 */
export function initialData(spec: TensorSpec, init: VariableInit): HostArray {
  if (init.kind === 'zeros') return hostArray(spec.dtype, sizeOf(spec.shape))
  if (init.kind === 'host') return init.data
  const stored = viewAs(init.dtype, readRange(init.path, init.byteOffset, init.byteLength).buffer)
  if (init.dtype === spec.dtype) return stored
  return toHost(init.dtype === 'f32' ? stored : widen(stored, init.dtype), spec.dtype)
}

/** 16-bit floats as the f32 values that they stand for. */
export function widen(bits: HostArray, dtype: 'f16' | 'bf16'): Float32Array {
  const out = hostArray('f32', bits.length) as Float32Array
  // a loop, because from() with a function first makes an ordinary array of all elements
  if (dtype === 'f16') for (let i = 0; i < bits.length; i++) out[i] = f16ToF32(bits[i]!)
  else {
    const words = new Uint32Array(out.buffer)
    for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16
  }
  return out
}

/** Bytes of a file as memory of their own, aligned for any element type. */
function readRange(path: string, byteOffset: number, byteLength: number): HostArray {
  const bytes = hostArray('u8', byteLength)
  const fd = openSync(path, 'r')
  try {
    for (let done = 0; done < byteLength; ) {
      const count = readSync(fd, bytes, done, Math.min(byteLength - done, READ_BYTES), byteOffset + done)
      if (count === 0) {
        throw new LabError(
          'TRUNCATED',
          `${path}: ended at byte ${byteOffset + done}, expected ${byteLength} bytes from ${byteOffset}`,
        )
      }
      done += count
    }
  } finally {
    closeSync(fd)
  }
  return bytes
}
