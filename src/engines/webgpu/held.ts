/** Between a variable's own elements and those that the device holds in their place. */
import type { DType, HostArray } from '../../tensor/dtype.js'
import { toHost } from '../../tensor/leaf.js'
import { widen } from '../initial-data.js'

/** 16-bit floats as f32 and bytes as i32, exactly; other elements as they are, borrowed. */
export function toHeld(data: HostArray, dtype: DType): HostArray {
  if (dtype === 'u8') return Int32Array.from(data)
  return dtype === 'f16' || dtype === 'bf16' ? widen(data, dtype) : data
}

/** The way back, also exact: what is held of a narrow variable is never anything but its values. */
export function toStored(data: HostArray, dtype: DType): HostArray {
  return dtype === 'f16' || dtype === 'bf16' || dtype === 'u8' ? toHost(data, dtype) : data
}
