import { bytesPerElement } from '../tensor/dtype.js'
import type { ProgramSpec } from '../tensor/lower.js'
import { sizeOf } from '../tensor/shape.js'
import { inPlaceUpdates } from './in-place.js'

/** Bytes of second copies that updates need because they may not overwrite their variable. */
export function spareVariableBytes(spec: ProgramSpec): number {
  const inPlace = inPlaceUpdates(spec)
  return spec.updates.reduce((total, { value }, i) => {
    return total + (inPlace[i] ? 0 : sizeOf(spec.values[value]!.shape) * bytesPerElement[spec.values[value]!.dtype])
  }, 0)
}
