/** Operands of a product of matrices while its nodes are emitted. */
import { sized } from '../onnx/emit.js'
import type { ModelBuilder } from '../onnx/model-builder.js'

/** A value of the model, or a part of one. */
export interface Operand {
  readonly name: string
  readonly shape: readonly number[]
  /** An element. */
  readonly bytes: number
}

/** The elements from `start` to `end` of an axis. */
export function sliced(model: ModelBuilder, operand: Operand, axis: number, start: number, end: number): Operand {
  const { name, bytes } = operand
  if (end - start === operand.shape[axis]) return operand
  const shape = operand.shape.map((length, i) => (i === axis ? end - start : length))
  const bounds = [start, end, axis].map(v => model.int64([v]))
  return { shape, bytes, name: model.emit('Slice', [name, ...bounds], sized(shape, bytes)) }
}

export function reshaped(model: ModelBuilder, { name, bytes }: Operand, shape: readonly number[]): Operand {
  return { shape, bytes, name: model.emit('Reshape', [name, model.int64(shape)], sized(shape, bytes)) }
}

/** With the axis at `from` moved to `to`. */
export function moved(model: ModelBuilder, operand: Operand, from: number, to: number): Operand {
  const { name, bytes } = operand
  const perm = operand.shape.map((_, i) => i)
  perm.splice(to, 0, ...perm.splice(from, 1))
  const shape = perm.map(i => operand.shape[i]!)
  return { shape, bytes, name: model.emit('Transpose', [name], sized(shape, bytes), { perm }) }
}

/** With its last two axes exchanged. */
export function transposed(model: ModelBuilder, operand: Operand): Operand {
  const last = operand.shape.length - 1
  return moved(model, operand, last, last - 1)
}

export function scalar(model: ModelBuilder, value: number): string {
  const name = model.fresh()
  model.constant(name, { shape: [], dtype: 'f32' }, Float32Array.of(value))
  return name
}
