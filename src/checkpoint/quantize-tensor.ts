import type { QuantizedBits } from '../tensor/ops/dequantize.js'
import {
  type ErrorSums,
  QUANTIZED_BLOCK,
  type QuantizationError,
  type QuantizedPart,
  quantizationError,
  quantizeBlocks,
} from '../tensor/quantize.js'
import { LabError } from '../util/errors.js'
import { toFloat32 } from './convert.js'
import { readChunks } from './read.js'
import type { TensorSource } from './tensor-source.js'

/** Bytes read and rounded at a time: what keeps other work of the thread waiting. A multiple of every block. */
const CHUNK_BYTES = 1 << 20

/** A quantised tensor and what rounding has cost. */
export interface QuantizedTensor {
  readonly part: QuantizedPart
  readonly error: QuantizationError
}

/**
 * Reads a matrix of F32, F16 or BF16 and rounds it by block while it is read.
 * @param name shown in errors
 * @throws LabError QUANTIZE when rows are no whole number of blocks or an element is not finite; those of reading
 */
export async function quantizeTensor(
  name: string,
  source: TensorSource,
  { bits, signal }: { bits: QuantizedBits; signal?: AbortSignal },
): Promise<QuantizedTensor> {
  const columns = source.shape[source.shape.length - 1] ?? 0
  if (columns === 0 || columns % QUANTIZED_BLOCK !== 0)
    throw new LabError(
      'QUANTIZE',
      `"${name}": rows of ${columns} elements are no whole number of blocks of ${QUANTIZED_BLOCK}; set frozenWeights: source`,
    )
  const length = source.shape.reduce((product, size) => product * size, 1)
  const part = { codes: new Uint8Array((length * bits) / 8), scales: new Uint16Array(length / QUANTIZED_BLOCK) }
  const sums: ErrorSums = { squaredError: 0, squaredValue: 0, maxAbs: 0 }
  let done = 0
  for await (const chunk of readChunks(source, CHUNK_BYTES)) {
    signal?.throwIfAborted()
    const values = toFloat32(chunk, source.dtype)
    const codes = part.codes.subarray((done * bits) / 8, ((done + values.length) * bits) / 8)
    const scales = part.scales.subarray(done / QUANTIZED_BLOCK, (done + values.length) / QUANTIZED_BLOCK)
    quantizeBlocks(values, bits, { codes, scales }, sums)
    done += values.length
  }
  if (!Number.isFinite(sums.squaredError))
    throw new LabError('QUANTIZE', `"${name}" of ${source.path} holds a value that is not finite; it cannot be rounded`)
  return { part, error: quantizationError(sums) }
}
