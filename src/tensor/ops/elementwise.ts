import { LabError } from '../../util/errors.js'
import { type DType, isFloat } from '../dtype.js'
import { apply, defineOp, type OpDef, requireDtype, type Tensor } from '../graph.js'
import { scalar } from '../leaf.js'
import { broadcastShapes } from '../shape.js'

/** A tensor, or a number that becomes a scalar constant of the other operand's type. */
export type Operand = Tensor | number

function unaryOp(name: string): (x: Tensor) => Tensor {
  const def = defineOp({
    name,
    infer(inputs) {
      requireDtype(name, inputs, ['f32'])
      return [inputs[0]!]
    },
  })
  return x => apply(def, [x])
}

export const neg = unaryOp('neg')
export const exp = unaryOp('exp')
export const log = unaryOp('log')
export const sqrt = unaryOp('sqrt')
/** 1 / x */
export const reciprocal = unaryOp('reciprocal')
export const sin = unaryOp('sin')
export const cos = unaryOp('cos')
export const tanh = unaryOp('tanh')
/** 1 / (1 + exp(-x)) */
export const sigmoid = unaryOp('sigmoid')
export const abs = unaryOp('abs')

function binaryOp(name: string, dtypes: readonly DType[], result?: DType): OpDef {
  return defineOp({
    name,
    infer(inputs) {
      const [a, b] = inputs as [Tensor, Tensor]
      requireDtype(name, inputs, dtypes)
      if (a.dtype !== b.dtype) {
        throw new LabError('DTYPE', `${name}: operands are ${a.dtype} and ${b.dtype}; convert one with cast()`)
      }
      return [{ shape: broadcastShapes(name, a.shape, b.shape), dtype: result ?? a.dtype }]
    },
  })
}

function binary(def: OpDef): (a: Operand, b: Operand) => Tensor {
  return (a, b) => {
    const like = typeof a !== 'number' ? a.dtype : typeof b !== 'number' ? b.dtype : 'f32'
    return apply(def, [operand(a, like), operand(b, like)])
  }
}

function operand(value: Operand, dtype: DType): Tensor {
  return typeof value === 'number' ? scalar(value, dtype) : value
}

export const add = binary(binaryOp('add', ['f32', 'i32']))
export const sub = binary(binaryOp('sub', ['f32', 'i32']))
export const mul = binary(binaryOp('mul', ['f32', 'i32']))
export const div = binary(binaryOp('div', ['f32']))
/** a to the power b; its gradient is defined for constant b. */
export const pow = binary(binaryOp('pow', ['f32']))
export const maximum = binary(binaryOp('maximum', ['f32', 'i32']))
export const minimum = binary(binaryOp('minimum', ['f32', 'i32']))
export const equal = binary(binaryOp('equal', ['f32', 'i32'], 'bool'))
export const less = binary(binaryOp('less', ['f32', 'i32'], 'bool'))
export const lessOrEqual = binary(binaryOp('lessOrEqual', ['f32', 'i32'], 'bool'))
export const greater = binary(binaryOp('greater', ['f32', 'i32'], 'bool'))
export const greaterOrEqual = binary(binaryOp('greaterOrEqual', ['f32', 'i32'], 'bool'))
export const and = binary(binaryOp('and', ['bool']))
export const or = binary(binaryOp('or', ['bool']))

const notOp = defineOp({
  name: 'not',
  infer(inputs) {
    requireDtype('not', inputs, ['bool'])
    return [inputs[0]!]
  },
})

export function not(x: Tensor): Tensor {
  return apply(notOp, [x])
}

const whereOp = defineOp({
  name: 'where',
  infer(inputs) {
    const [condition, a, b] = inputs as [Tensor, Tensor, Tensor]
    requireDtype('where', [condition], ['bool'])
    if (a.dtype !== b.dtype) throw new LabError('DTYPE', `where: branches are ${a.dtype} and ${b.dtype}; cast() one`)
    const shape = broadcastShapes('where', condition.shape, broadcastShapes('where', a.shape, b.shape))
    return [{ shape, dtype: a.dtype }]
  },
})

/** `a` where the condition holds, `b` elsewhere; all three broadcast. */
export function where(condition: Tensor, a: Operand, b: Operand): Tensor {
  const like = typeof a !== 'number' ? a.dtype : typeof b !== 'number' ? b.dtype : 'f32'
  return apply(whereOp, [condition, operand(a, like), operand(b, like)])
}

const castOp = defineOp({
  name: 'cast',
  infer: (inputs, attrs) => [{ shape: inputs[0]!.shape, dtype: attrs['dtype'] as DType }],
})

/** The same values as another element type but u8: rounds to nearest even towards f16/bf16, truncates towards i32. */
export function cast(x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x
  if (dtype === 'u8') throw new LabError('DTYPE', 'cast: u8 holds packed bytes, not numbers; take f32 or i32')
  if (dtype === 'bool' && isFloat(x.dtype)) return cast(not(equal(cast(x, 'f32'), 0)), dtype)
  return apply(castOp, [x], { dtype })
}
