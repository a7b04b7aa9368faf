import { LabError } from '../../util/errors.js'
import { apply, defineOp, type OpDef, requireDtype, type Tensor, type TensorSpec } from '../graph.js'
import { type Shape, shapeError } from '../shape.js'
import { add, cast, greaterOrEqual, mul, sub } from './elementwise.js'
import { concat, reshape } from './movement.js'

/** Bits of a quantised weight. */
export type QuantizedBits = 4 | 8

const dequantizeOp: OpDef = defineOp({
  name: 'dequantize',
  infer(inputs, attrs) {
    const [codes, scales] = inputs as [TensorSpec, TensorSpec]
    return [{ shape: valueShape(codes.shape, scales.shape, attrs['bits'] as QuantizedBits), dtype: 'f32' }]
  },
  decompose: ([codes, scales], attrs) => [plain(codes!, scales!, attrs['bits'] as QuantizedBits)],
})

/**
 * Weights from codes and block scales: `w[..., j] = code[..., j] * scales[..., j / S]`, S = C / (number of blocks in a row).
 * A code is a signed integer (two's complement) of 4 or 8 bits; two of 4 bits share a byte, the first in its low half.
 * It has no gradient: neither codes nor scales are trained.
 * @param codes `[..., C bits / 8]`, u8
 * @param scales `[..., C / S]`, f32
 * @returns `[..., C]`, f32
 * @throws LabError SHAPE when codes and scales do not cover the same elements, DTYPE
 */
export function dequantize(codes: Tensor, scales: Tensor, { bits }: { bits: QuantizedBits }): Tensor {
  requireDtype('dequantize', [codes.node.outputs[codes.index]!], ['u8'])
  requireDtype('dequantize', [scales.node.outputs[scales.index]!], ['f32'])
  if (bits !== 4 && bits !== 8) throw new LabError('DTYPE', `dequantize: expected 4 or 8 bits, got ${String(bits)}`)
  valueShape(codes.shape, scales.shape, bits)
  // an engine sees the memory of a leaf as integers of fewer bits; computed codes have no memory of their own
  return codes.node.payload ? apply(dequantizeOp, [codes, scales], { bits }) : plain(codes, scales, bits)
}

/** The operands of a dequantised tensor, or null when `t` is none. */
export function dequantizedFrom(t: Tensor): { codes: Tensor; scales: Tensor; bits: QuantizedBits } | null {
  if (t.node.op !== dequantizeOp.name) return null
  const [codes, scales] = t.node.inputs as [Tensor, Tensor]
  return { codes, scales, bits: t.node.attrs['bits'] as QuantizedBits }
}

function valueShape(codes: Shape, scales: Shape, bits: QuantizedBits): number[] {
  const columns = ((codes[codes.length - 1] ?? 0) * 8) / bits
  const blocks = scales[scales.length - 1] ?? 0
  const lead = codes.slice(0, -1)
  const fits = lead.join() === scales.slice(0, -1).join() && codes.length === scales.length
  if (!fits || codes.length === 0 || blocks === 0 || columns % blocks !== 0)
    throw shapeError('dequantize', [codes, scales], `codes [..., C * ${bits} / 8] and scales [..., C / S]`)
  return [...lead, columns]
}

function plain(codes: Tensor, scales: Tensor, bits: QuantizedBits): Tensor {
  const shape = valueShape(codes.shape, scales.shape, bits)
  const byte = cast(codes, 'f32')
  const values = bits === 8 ? signed(byte, 8) : nibbles(byte)
  const [lead, blocks] = [shape.slice(0, -1), scales.shape[scales.rank - 1]!]
  return reshape(mul(reshape(values, [...lead, blocks, -1]), reshape(scales, [...lead, blocks, 1])), shape)
}

/** Two's complement: codes from half of the range on are negative. */
function signed(code: Tensor, bits: QuantizedBits): Tensor {
  return sub(code, mul(cast(greaterOrEqual(code, 2 ** (bits - 1)), 'f32'), 2 ** bits))
}

function nibbles(byte: Tensor): Tensor {
  const high = cast(cast(mul(byte, 1 / 16), 'i32'), 'f32')
  const low = add(byte, mul(high, -16))
  const pair = [low, high].map(code => reshape(signed(code, 4), [...byte.shape, 1]))
  return reshape(concat(pair, -1), [...byte.shape.slice(0, -1), -1])
}
