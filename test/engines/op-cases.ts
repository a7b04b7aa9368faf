/** One or more small cases for every op: the conformance suite runs them on each engine and differentiates them on the reference. */
import { grad } from '../../src/tensor/autograd.js'
import type { Tensor } from '../../src/tensor/graph.js'
import { fromHost, iota, scalar } from '../../src/tensor/leaf.js'
import { adamw } from '../../src/tensor/ops/adamw.js'
import { attention } from '../../src/tensor/ops/attention.js'
import { alias, barrier } from '../../src/tensor/ops/barrier.js'
import { linearCrossEntropy } from '../../src/tensor/ops/cross-entropy.js'
import { dequantize } from '../../src/tensor/ops/dequantize.js'
import * as elementwise from '../../src/tensor/ops/elementwise.js'
import { gather, gatherLast, lookup, oneHot, scatterAdd, update } from '../../src/tensor/ops/indexing.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { concat, expand, full, pad, permute, reshape, slice } from '../../src/tensor/ops/movement.js'
import { argmax, max, mean, sum } from '../../src/tensor/ops/reduce.js'
import { rmsNorm } from '../../src/tensor/ops/rms-norm.js'
import { rotary } from '../../src/tensor/ops/rotary.js'
import { silu, swiglu } from '../../src/tensor/ops/silu.js'
import { logSoftmax, logSumExp, softmax } from '../../src/tensor/ops/softmax.js'
import { remat } from '../../src/tensor/remat.js'

export interface OpCase {
  readonly name: string
  /** Ops that this case covers; the suite fails when an op has no case. */
  readonly ops: readonly string[]
  /** Shapes of the f32 operands, drawn from a standard normal. */
  readonly shapes: readonly (readonly number[])[]
  /** Maps a draw into the op's domain (default: identity). */
  readonly domain?: (x: number) => number
  readonly build: (...inputs: Tensor[]) => Tensor | readonly Tensor[]
  /** Operands whose gradient is checked by central differences (default: all); none for ops without a gradient. */
  readonly wrt?: readonly number[]
}

/** A copy, because members of a namespace are looked up by name below. */
const e = { ...elementwise }

const positive = (x: number) => Math.abs(x) + 0.5
const ids = (...values: number[]) => e.cast(concat(values.map(v => reshape(scalar(v, 'i32'), [1]))), 'i32')

const unary = (
  name: 'neg' | 'exp' | 'log' | 'sqrt' | 'reciprocal' | 'sin' | 'cos' | 'tanh' | 'sigmoid' | 'abs',
): OpCase => ({
  name,
  ops: [name],
  shapes: [[2, 3]],
  ...(name === 'log' || name === 'sqrt' || name === 'reciprocal' ? { domain: positive } : {}),
  build: x => e[name](x!),
})

const binary = (name: 'add' | 'sub' | 'mul' | 'div' | 'pow' | 'maximum' | 'minimum'): OpCase[] =>
  [
    [
      [2, 3],
      [2, 3],
    ],
    [
      [2, 1, 3],
      [4, 1],
    ],
    [[], [3]],
  ].map(shapes => ({
    name: `${name} ${JSON.stringify(shapes)}`,
    ops: [name],
    shapes,
    ...(name === 'div' || name === 'pow' ? { domain: positive } : {}),
    build: (a, b) => e[name](a!, b!),
  }))

const comparison = (name: 'equal' | 'less' | 'lessOrEqual' | 'greater' | 'greaterOrEqual'): OpCase => ({
  name,
  ops: [name],
  shapes: [[3, 4], [4]],
  domain: x => Math.round(2 * x),
  build: (a, b) => e[name](a!, b!),
  wrt: [],
})

const attentionCase = (
  name: string,
  [B, H, K, T, S, D]: readonly number[],
  options: Parameters<typeof attention>[3] = {},
): OpCase => ({
  name: `attention ${name}`,
  ops: ['attention', 'attentionGrad'],
  shapes: [
    [B!, H!, T!, D!],
    [B!, K!, S!, D!],
    [B!, K!, S!, D!],
  ],
  build: (q, k, v) => attention(q!, k!, v!, options),
  ...(typeof options.start === 'object' ? { wrt: [] } : {}),
})

export const opCases: readonly OpCase[] = [
  ...(['neg', 'exp', 'log', 'sqrt', 'reciprocal', 'sin', 'cos', 'tanh', 'sigmoid', 'abs'] as const).map(unary),
  ...(['add', 'sub', 'mul', 'div', 'pow', 'maximum', 'minimum'] as const).flatMap(binary),
  ...(['equal', 'less', 'lessOrEqual', 'greater', 'greaterOrEqual'] as const).map(comparison),
  {
    name: 'pow of negative bases',
    ops: ['pow'],
    shapes: [[6]],
    build: x => [e.pow(x!, 2), e.pow(x!, 3), e.pow(x!, 0), e.pow(x!, 1)],
  },
  {
    name: 'pow of zero, whose slope is that of the polynomial',
    ops: ['pow'],
    shapes: [[2]],
    domain: () => 0,
    build: x => [e.pow(x!, 0), e.pow(x!, 1), e.pow(x!, 2)],
  },
  { name: 'pow without a real result', ops: ['pow'], shapes: [[6]], wrt: [], build: x => e.pow(x!, 0.5) },
  {
    name: 'ties of maximum, minimum, max and argmax',
    ops: ['maximum', 'minimum', 'max', 'argmax'],
    shapes: [
      [4, 6],
      [4, 6],
    ],
    domain: x => Math.sign(x),
    wrt: [],
    build(a, b) {
      const outputs = [e.maximum(a!, b!), e.minimum(a!, b!), max(a!, -1), max(a!, 0)]
      const loss = outputs.map((t, i) => sum(e.mul(t, e.mul(t, i + 1)))).reduce((x, y) => e.add(x, y))
      return [...outputs, argmax(a!), argmax(b!), ...grad(loss, [a!, b!])]
    },
  },
  {
    name: 'constants that differ only in the sign of an infinity or of zero',
    ops: ['scalar'],
    shapes: [[4]],
    wrt: [],
    build(x) {
      const { POSITIVE_INFINITY: infinity } = Number
      const isLow = e.less(x!, 0)
      const masked = [infinity, -infinity, Number.NaN].map(value => e.where(isLow, value, x!))
      return [...masked, e.reciprocal(full([2], 0)), e.reciprocal(full([2], -0)), max(masked[1]!)]
    },
  },
  {
    name: 'integers that overflow wrap around',
    ops: ['add', 'sub', 'mul'],
    shapes: [],
    build() {
      const [low, high] = [scalar(-(2 ** 31), 'i32'), scalar(2 ** 31 - 1, 'i32')]
      const steps = e.add(iota(4), 0)
      return [e.add(high, steps), e.sub(low, steps), e.mul(e.add(steps, 65537), 65536), e.maximum(low, high)]
    },
  },
  {
    name: 'a value cast to bf16 and read twice',
    ops: ['cast'],
    shapes: [[2, 3]],
    wrt: [],
    build(x) {
      const half = e.cast(x!, 'bf16')
      const rows = e.cast(gather(half, ids(1, 0, 1)), 'f32')
      const spread = e.cast(expand(reshape(half, [1, 2, 3]), [2, 2, 3]), 'f32')
      const loss = e.add(sum(e.mul(rows, rows)), sum(e.mul(spread, 2)))
      return [loss, ...grad(loss, [x!])]
    },
  },
  ...(['f16', 'bf16'] as const).map(
    (dtype): OpCase => ({
      name: `${dtype} values that are moved`,
      ops: ['reshape', 'permute', 'expand', 'slice', 'pad', 'concat', 'gather', 'gatherLast', 'update', 'where'],
      shapes: [[2, 3]],
      wrt: [],
      build(x) {
        const half = e.cast(x!, dtype)
        const moved = [
          reshape(half, [3, 2]),
          permute(half, [1, 0]),
          expand(half, [2, 2, 3]),
          slice(half, 1, 1, 3),
          pad(half, 0, 1, 2),
          concat([half, half], 1),
          gather(half, ids(1, 0, 1)),
          gatherLast(half, ids(2, 0)),
          update(half, slice(half, 0, 1, 2), ids(0), 0),
          e.where(e.less(x!, 0), half, e.cast(e.neg(x!), dtype)),
          barrier(half, x!),
        ]
        return moved.map(t => e.cast(t, 'f32'))
      },
    }),
  ),
  {
    name: 'axes of size 0',
    ops: ['slice', 'concat', 'sum', 'matmul'],
    shapes: [[3, 4]],
    build(x) {
      const none = slice(x!, 1, 2, 2)
      return [concat([none, x!, none], 1), sum(none, 1), matmul(none, none, { transB: true }), sum(e.exp(none))]
    },
  },
  {
    name: 'and, or, not',
    ops: ['and', 'or', 'not'],
    shapes: [[8], [8]],
    wrt: [],
    build: (a, b) => [e.and(e.less(a!, 0), e.less(b!, 0)), e.or(e.less(a!, 0), e.less(b!, 0)), e.not(e.less(a!, 0))],
  },
  {
    name: 'where',
    ops: ['where'],
    shapes: [[3, 1], [3, 4], [4]],
    wrt: [1, 2],
    build: (c, a, b) => e.where(e.less(c!, 0), a!, b!),
  },
  {
    name: 'cast through i32',
    ops: ['cast'],
    shapes: [[6]],
    domain: x => 4 * x,
    wrt: [],
    build: x => [e.cast(x!, 'i32'), e.cast(e.cast(x!, 'i32'), 'f32'), e.cast(e.less(x!, 0), 'f32')],
  },
  { name: 'cast through f16', ops: ['cast'], shapes: [[6]], wrt: [], build: x => e.cast(e.cast(x!, 'f16'), 'f32') },
  { name: 'cast through bf16', ops: ['cast'], shapes: [[6]], wrt: [], build: x => e.cast(e.cast(x!, 'bf16'), 'f32') },
  {
    name: 'scalar and iota',
    ops: ['scalar', 'iota'],
    shapes: [[3]],
    build: x => e.add(e.mul(x!, 2.5), e.cast(iota(3), 'f32')),
  },
  { name: 'reshape', ops: ['reshape'], shapes: [[2, 6]], build: x => reshape(x!, [3, -1]) },
  { name: 'permute', ops: ['permute'], shapes: [[2, 3, 4]], build: x => permute(x!, [2, 0, 1]) },
  { name: 'expand', ops: ['expand'], shapes: [[3, 1]], build: x => expand(x!, [2, 3, 4]) },
  { name: 'slice', ops: ['slice'], shapes: [[2, 5, 3]], build: x => slice(x!, 1, 1, 4) },
  { name: 'pad', ops: ['pad'], shapes: [[2, 3]], build: x => pad(x!, 1, 2, 1) },
  {
    name: 'concat',
    ops: ['concat'],
    shapes: [
      [2, 3],
      [2, 1],
    ],
    build: (a, b) => concat([a!, b!, a!], 1),
  },
  {
    name: 'sum',
    ops: ['sum'],
    shapes: [[2, 3, 4]],
    build: x => [sum(x!), sum(x!, [0, 2]), sum(x!, 1, { keepDims: true })],
  },
  { name: 'mean', ops: ['sum'], shapes: [[2, 3]], build: x => mean(x!, -1) },
  { name: 'max', ops: ['max'], shapes: [[3, 4]], build: x => [max(x!, -1), max(x!)] },
  { name: 'argmax', ops: ['argmax'], shapes: [[3, 5]], wrt: [], build: x => argmax(x!) },
  {
    name: 'matmul',
    ops: ['matmul'],
    shapes: [
      [3, 4],
      [4, 2],
    ],
    build: (a, b) => matmul(a!, b!),
  },
  {
    name: 'matmul transA',
    ops: ['matmul'],
    shapes: [
      [4, 3],
      [4, 2],
    ],
    build: (a, b) => matmul(a!, b!, { transA: true, alpha: 0.5 }),
  },
  {
    name: 'matmul transB',
    ops: ['matmul'],
    shapes: [
      [3, 4],
      [2, 4],
    ],
    build: (a, b) => matmul(a!, b!, { transB: true }),
  },
  {
    name: 'matmul transA transB',
    ops: ['matmul'],
    shapes: [
      [4, 3],
      [2, 4],
    ],
    build: (a, b) => matmul(a!, b!, { transA: true, transB: true, alpha: 2 }),
  },
  {
    name: 'matmul batched with broadcasting',
    ops: ['matmul'],
    shapes: [
      [2, 1, 3, 4],
      [5, 4, 2],
    ],
    build: (a, b) => matmul(a!, b!),
  },
  {
    name: 'matmul batch by matrix',
    ops: ['matmul'],
    shapes: [
      [2, 3, 4],
      [5, 4],
    ],
    build: (a, b) => matmul(a!, b!, { transB: true }),
  },
  { name: 'matmul of vectors', ops: ['matmul'], shapes: [[4], [4, 2]], build: (a, b) => matmul(a!, b!) },
  {
    name: 'gather',
    ops: ['gather', 'scatterAdd'],
    shapes: [[5, 3]],
    build: t => gather(t!, reshape(ids(4, 0, 4, 2), [2, 2])),
  },
  {
    name: 'gather with a padding id',
    ops: ['gather', 'scatterAdd'],
    shapes: [[5, 3]],
    // an id that does not occur: central differences know nothing of a row without a gradient
    build: t => gather(t!, ids(4, 0, 2, 2), { paddingId: 3 }),
  },
  { name: 'scatterAdd', ops: ['scatterAdd'], shapes: [[4, 3]], build: rows => scatterAdd(ids(1, 3, 1, 0), rows!, 5) },
  { name: 'gatherLast', ops: ['gatherLast'], shapes: [[3, 4]], build: x => gatherLast(x!, ids(3, 0, 1)) },
  {
    name: 'update',
    ops: ['update'],
    shapes: [
      [2, 4, 3],
      [2, 2, 3],
    ],
    build: (base, rows) => update(base!, rows!, ids(3, 1), 1),
  },
  { name: 'oneHot', ops: ['equal'], shapes: [], build: () => oneHot(ids(1, 0), 3) },
  {
    name: 'barrier, alias',
    ops: ['barrier', 'alias'],
    shapes: [[3], [2, 2]],
    wrt: [0],
    build: (x, y) => barrier(alias(x!), y!),
  },
  { name: 'softmax', ops: ['softmax'], shapes: [[2, 3, 5]], domain: x => 4 * x, build: x => softmax(x!) },
  {
    name: 'logSumExp, logSoftmax',
    ops: ['softmax'],
    shapes: [[2, 5]],
    domain: x => 30 * x,
    build: x => [logSumExp(x!), logSoftmax(x!)],
  },
  { name: 'silu', ops: ['silu'], shapes: [[7]], domain: x => 5 * x, build: x => silu(x!) },
  {
    name: 'swiglu',
    ops: ['silu'],
    shapes: [
      [2, 3],
      [2, 3],
    ],
    build: (g, u) => swiglu(g!, u!),
  },
  { name: 'rmsNorm', ops: ['rmsNorm'], shapes: [[2, 3, 8], [8]], build: (x, w) => rmsNorm(x!, w!, 1e-3) },
  {
    name: 'rotary',
    ops: ['rotary'],
    shapes: [
      [2, 2, 3, 4],
      [3, 2],
      [3, 2],
    ],
    wrt: [0],
    build: (x, c, s) => rotary(x!, e.cos(c!), e.sin(c!.mul(1).add(s!.mul(0)))),
  },
  attentionCase('causal', [2, 2, 2, 4, 4, 3]),
  attentionCase('grouped', [1, 4, 2, 3, 3, 2]),
  attentionCase('sliding window', [1, 2, 1, 6, 6, 2], { window: 2, scale: 0.7 }),
  attentionCase('with earlier keys', [1, 2, 1, 2, 5, 2]),
  attentionCase('start known at run time', [1, 2, 1, 2, 6, 2], { start: scalar(3, 'i32') }),
  {
    name: 'attention of operands that do not lie in memory as they are read',
    ops: ['attention', 'attentionGrad'],
    shapes: [
      [1, 2, 8, 4],
      [1, 2, 8, 4],
      [1, 2, 8, 4],
    ],
    build: (...operands) => {
      const [q, k, v] = operands.map(x => permute(x, [0, 1, 3, 2]))
      return permute(attention(q!, k!, v!), [0, 1, 3, 2])
    },
  },
  {
    name: 'nothing to choose from and nothing to repeat',
    ops: ['argmax', 'max', 'expand'],
    shapes: [
      [0, 3],
      [1, 2],
    ],
    build: (x, y) => [argmax(x!), max(x!, 1), expand(y!, [0, 2])],
    wrt: [],
  },
  {
    name: 'linearCrossEntropy',
    ops: ['linearCrossEntropy', 'linearCrossEntropyGrad'],
    shapes: [
      [4, 3],
      [5, 3],
    ],
    build: (x, w) => linearCrossEntropy(x!, w!, ids(4, 0, 2, 4)),
  },
  {
    name: 'adamw',
    ops: ['adamw'],
    shapes: [
      [2, 3],
      [2, 3],
      [2, 3],
      [2, 3],
    ],
    domain: positive,
    wrt: [],
    build: (parameter, m, v, gradient) =>
      adamw(
        {
          parameter: parameter!,
          m: m!,
          v: v!,
          gradient: gradient!,
          lr: scalar(0.01),
          correction1: scalar(0.1),
          correction2: scalar(0.05),
        },
        { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0.1 },
      ),
  },
  {
    name: 'remat',
    ops: ['remat'],
    shapes: [[3, 4], [4, 4], [4]],
    build: (x, w, n) => remat(h => [e.add(h!, silu(matmul(rmsNorm(h!, n!, 1e-5), w!)))], [x!]),
  },
  ...([4, 8] as const).map(
    (bits): OpCase => ({
      name: `dequantize, ${bits} bits`,
      ops: ['dequantize'],
      shapes: [[3, 4]],
      wrt: [],
      build: x => {
        // every byte once: 256 codes of 8 bits or 512 of 4, in rows of 2 or 4 blocks
        const bytes = fromHost(
          Uint8Array.from({ length: 768 }, (_, i) => i % 256),
          [3, 256],
          'u8',
        )
        const scales = fromHost(
          Float32Array.from({ length: 12 }, (_, i) => 0.125 * (i - 5)),
          [3, 4],
          'f32',
        )
        const weights = dequantize(bytes, scales, { bits })
        const rows = ids(2, 0, 2)
        return [weights, lookup(weights, rows), matmul(x!, weights, { transA: true })]
      },
    }),
  ),
]
