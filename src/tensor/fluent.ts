/** Methods of a tensor: `a.matmul(b).silu().sum()`. Each is the function of the same name with the tensor in first place. */
import type { DType, HostArray } from './dtype.js'
import { Tensor } from './graph.js'
import * as elementwise from './ops/elementwise.js'
import { gather, gatherLast } from './ops/indexing.js'
import { type MatmulOptions, matmul } from './ops/matmul.js'
import { concat, expand, permute, reshape, slice, transpose } from './ops/movement.js'
import { argmax, max, mean, type ReduceOptions, sum } from './ops/reduce.js'
import { rmsNorm } from './ops/rms-norm.js'
import { silu } from './ops/silu.js'
import { logSoftmax, softmax } from './ops/softmax.js'
import { formatTensor } from './print.js'
import { realize } from './program.js'
import type { Shape } from './shape.js'

type Operand = elementwise.Operand
type Axes = number | readonly number[]

declare module './graph.js' {
  interface Tensor {
    add(other: Operand): Tensor
    sub(other: Operand): Tensor
    mul(other: Operand): Tensor
    div(other: Operand): Tensor
    pow(exponent: Operand): Tensor
    maximum(other: Operand): Tensor
    minimum(other: Operand): Tensor
    equal(other: Operand): Tensor
    less(other: Operand): Tensor
    greater(other: Operand): Tensor
    neg(): Tensor
    exp(): Tensor
    log(): Tensor
    sqrt(): Tensor
    reciprocal(): Tensor
    sin(): Tensor
    cos(): Tensor
    tanh(): Tensor
    sigmoid(): Tensor
    abs(): Tensor
    silu(): Tensor
    softmax(): Tensor
    logSoftmax(): Tensor
    rmsNorm(weight: Tensor, eps?: number): Tensor
    cast(dtype: DType): Tensor
    matmul(other: Tensor, options?: MatmulOptions): Tensor
    sum(axes?: Axes, options?: ReduceOptions): Tensor
    mean(axes?: Axes, options?: ReduceOptions): Tensor
    max(axes?: Axes, options?: ReduceOptions): Tensor
    argmax(): Tensor
    reshape(shape: Shape): Tensor
    permute(axes: readonly number[]): Tensor
    transpose(a?: number, b?: number): Tensor
    expand(shape: Shape): Tensor
    slice(axis: number, start: number, end?: number): Tensor
    concat(others: readonly Tensor[], axis?: number): Tensor
    gather(ids: Tensor): Tensor
    gatherLast(ids: Tensor): Tensor
    /** Computes the tensor on the default engine; resolves to its elements in row-major order. */
    data(): Promise<HostArray>
    /** Computes a one-element tensor; resolves to its number. */
    item(): Promise<number>
    /** Computes the tensor; resolves to a readable picture of its values. */
    show(): Promise<string>
  }
}

const methods = {
  ...elementwise,
  matmul,
  sum,
  mean,
  max,
  argmax,
  reshape,
  permute,
  transpose,
  expand,
  slice,
  gather,
  gatherLast,
  silu,
  softmax,
  logSoftmax,
  rmsNorm: (x: Tensor, weight: Tensor, eps = 1e-6) => rmsNorm(x, weight, eps),
  concat: (x: Tensor, others: readonly Tensor[], axis = 0) => concat([x, ...others], axis),
  data: async (x: Tensor) => (await realize([x]))[0]!,
  item: async (x: Tensor) => (await realize([reshape(x, [1])]))[0]![0]!,
  show: async (x: Tensor) => formatTensor((await realize([x]))[0]!, x.shape, x.dtype),
}

for (const [name, method] of Object.entries(methods)) {
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...args: unknown[]) {
      return (method as (...all: unknown[]) => unknown)(this, ...args)
    },
  })
}
