import type { ProgramNode, ProgramSpec } from '../../tensor/lower.js'
import { sizeOf } from '../../tensor/shape.js'

/** Floating-point operations of a program's products of matrices, a multiply-add counted as two; attention without its mask. */
export function flopsOf(spec: ProgramSpec): number {
  return spec.nodes.reduce((total, node) => total + nodeFlops(node, spec), 0)
}

function nodeFlops({ op, inputs, outputs, attrs }: ProgramNode, { values }: ProgramSpec): number {
  const shapes = inputs.map(value => values[value]!.shape)
  const [a = [], b = []] = shapes
  if (op === 'matmul') return 2 * sizeOf(values[outputs[0]!]!.shape) * (a[a.length - (attrs['transA'] ? 2 : 1)] ?? 0)
  if (op === 'attention') return 4 * sizeOf(a) * (b[2] ?? 0)
  if (op === 'attentionGrad') return 10 * sizeOf(a) * (b[2] ?? 0)
  if (op === 'linearCrossEntropy') return 2 * sizeOf(a) * (b[0] ?? 0)
  return op === 'linearCrossEntropyGrad' ? (attrs['needsWeight'] ? 6 : 4) * sizeOf(a) * (b[0] ?? 0) : 0
}
