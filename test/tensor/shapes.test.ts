/** Operands that do not fit are refused when the graph is built, long before anything runs. */
import { describe, expect, it } from 'vitest'
import { input, tensor } from '../../src/tensor/leaf.js'
import { adamw } from '../../src/tensor/ops/adamw.js'
import { attention } from '../../src/tensor/ops/attention.js'
import { linearCrossEntropy } from '../../src/tensor/ops/cross-entropy.js'
import { add, and, cast, exp, mul, where } from '../../src/tensor/ops/elementwise.js'
import { gather, gatherLast, oneHot, scatterAdd, update } from '../../src/tensor/ops/indexing.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { concat, expand, pad, permute, reshape, slice, transpose } from '../../src/tensor/ops/movement.js'
import { argmax, max, sum } from '../../src/tensor/ops/reduce.js'
import { rmsNorm } from '../../src/tensor/ops/rms-norm.js'
import { rotary } from '../../src/tensor/ops/rotary.js'
import { formatShape } from '../../src/tensor/shape.js'
import { errorOf } from '../support/errors.js'

const f = (...shape: number[]) => input('x', shape)
const i = (...shape: number[]) => input('ids', shape, 'i32')
const adam = { beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 }

const cases: [string, number[][], () => unknown][] = [
  [
    'add',
    [
      [2, 3],
      [4, 3],
    ],
    () => add(f(2, 3), f(4, 3)),
  ],
  ['mul', [[2, 3], [2]], () => mul(f(2, 3), f(2))],
  ['max', [[2, 0]], () => max(f(2, 0), 1)],
  ['argmax', [[2, 0]], () => argmax(f(2, 0))],
  ['where', [[2, 3], [4]], () => where(cast(f(2, 3), 'bool'), f(4), 0)],
  [
    'matmul',
    [
      [2, 3],
      [2, 3],
    ],
    () => matmul(f(2, 3), f(2, 3)),
  ],
  [
    'matmul',
    [
      [5, 2, 3],
      [4, 3, 2],
    ],
    () => matmul(f(5, 2, 3), f(4, 3, 2)),
  ],
  [
    'matmul',
    [
      [5, 2, 3],
      [4, 6],
    ],
    () => matmul(f(5, 2, 3), f(4, 6)),
  ],
  ['matmul', [[4], [3, 2]], () => matmul(f(4), f(3, 2))],
  ['matmul', [[2, 3], [2]], () => matmul(f(2, 3), f(2))],
  ['matmul', [[3], [3]], () => matmul(f(3), f(3))],
  [
    'matmul',
    [
      [2, 3],
      [4, 5],
    ],
    () => matmul(f(2, 3), f(4, 5), { transB: true }),
  ],
  [
    'reshape',
    [
      [2, 3],
      [4, 2],
    ],
    () => reshape(f(2, 3), [4, 2]),
  ],
  [
    'reshape',
    [
      [2, 3],
      [-1, 4],
    ],
    () => reshape(f(2, 3), [-1, 4]),
  ],
  [
    'expand',
    [
      [2, 3],
      [4, 3],
    ],
    () => expand(f(2, 3), [4, 3]),
  ],
  [
    'concat',
    [
      [2, 3],
      [2, 4],
    ],
    () => concat([f(2, 3), f(2, 4)], 0),
  ],
  ['gatherLast', [[2, 3], [3]], () => gatherLast(f(2, 3), i(3))],
  ['scatterAdd', [[3], [2, 4]], () => scatterAdd(i(3), f(2, 4), 5)],
  ['update', [[4, 2], [1, 3], [1]], () => update(f(4, 2), f(1, 3), i(1), 0)],
  ['rmsNorm', [[2, 3], [4]], () => rmsNorm(f(2, 3), f(4), 1e-5)],
  [
    'rotary',
    [
      [1, 2, 3, 4],
      [3, 3],
      [3, 2],
    ],
    () => rotary(f(1, 2, 3, 4), f(3, 3), f(3, 2)),
  ],
  [
    'attention',
    [
      [1, 3, 5, 4],
      [1, 2, 5, 4],
      [1, 2, 5, 4],
    ],
    () => attention(f(1, 3, 5, 4), f(1, 2, 5, 4), f(1, 2, 5, 4)),
  ],
  [
    'attention',
    [
      [1, 2, 0, 4],
      [1, 2, 5, 4],
      [1, 2, 5, 4],
    ],
    () => attention(f(1, 2, 0, 4), f(1, 2, 5, 4), f(1, 2, 5, 4)),
  ],
  ['linearCrossEntropy', [[2, 3], [5, 4], [2]], () => linearCrossEntropy(f(2, 3), f(5, 4), i(2))],
  ['linearCrossEntropy', [[0, 3], [5, 3], [0]], () => linearCrossEntropy(f(0, 3), f(5, 3), i(0))],
  [
    'adamw',
    [[2], [2], [3], [2]],
    () =>
      adamw({ parameter: f(2), m: f(2), v: f(3), gradient: f(2), lr: f(), correction1: f(), correction2: f() }, adam),
  ],
]

describe('shapes that do not fit', () => {
  it.each(cases)('%s names itself and %j', (op, shapes, build) => {
    const { code, message } = errorOf(build)
    expect(code).toBe('SHAPE')
    expect(message.startsWith(`${op}: `)).toBe(true)
    for (const shape of shapes) expect(message).toContain(formatShape(shape))
  })

  it.each([
    ['sum', () => sum(f(2, 3), 2)],
    ['sum', () => sum(f(2, 3), -3)],
    ['transpose', () => transpose(f(3))],
    ['permute', () => permute(f(2, 3), [0, 0])],
    ['slice', () => slice(f(2, 3), 1, 2, 5)],
    ['slice', () => slice(f(2, 3), 1, 0.5, 2)],
    ['pad', () => pad(f(2, 3), 0, -1, 0)],
    ['concat', () => concat([])],
  ] as const)('%s: an axis or range outside the shape', (op, build) => {
    const { code, message } = errorOf(build)
    expect(code).toBe('SHAPE')
    expect(message.startsWith(`${op}: `), message).toBe(true)
  })

  it('data that does not fill its shape, rows of different length', () => {
    expect(errorOf(() => tensor([1, 2, 3], { shape: [2, 2] })).message).toMatch(/3 elements do not fill shape \[2, 2\]/)
    expect(errorOf(() => tensor([[1, 2], [3]])).message).toMatch(/row 1 has shape \[1\], row 0 has \[2\]/)
  })
})

describe('element types that do not fit', () => {
  it.each([
    ['exp', 'i32', () => exp(i(2))],
    ['matmul', 'i32', () => matmul(i(2, 2), f(2, 2))],
    ['add', 'f32 and i32', () => add(f(2), i(2))],
    ['and', 'f32', () => and(f(2), f(2))],
    ['gather', 'f32', () => gather(f(3, 2), f(2))],
    ['argmax', 'i32', () => argmax(i(2))],
    ['cast', 'u8', () => cast(f(2), 'u8')],
    ['scalar', '1.5', () => add(i(2), 1.5)],
    ['scalar', '2147483648', () => mul(i(2), 2 ** 31)],
    ['scalar', 'NaN', () => mul(i(2), Number.NaN)],
    ['oneHot', 'f32', () => oneHot(f(2), 3)],
  ] as const)('%s says that it was given %s', (op, given, build) => {
    const { code, message } = errorOf(build)
    expect(code).toBe('DTYPE')
    expect(message.startsWith(`${op}: `), message).toBe(true)
    expect(message).toContain(given)
  })
})
