import { bytesPerElement } from '../tensor/dtype.js'
import type { ProgramSpec } from '../tensor/lower.js'
import { sizeOf } from '../tensor/shape.js'
import { type IsView, inPlaceUpdates } from './in-place.js'

/** Bytes of second copies that updates need because they may not overwrite their variable. @param isView as of `inPlaceUpdates` */
export function spareVariableBytes(spec: ProgramSpec, isView?: IsView): number {
  const inPlace = inPlaceUpdates(spec, isView)
  return spec.updates.reduce((total, { value }, i) => {
    return total + (inPlace[i] ? 0 : sizeOf(spec.values[value]!.shape) * bytesPerElement[spec.values[value]!.dtype])
  }, 0)
}
