/** Every plain op as loops over float64: slow, obvious, and what all other engines are checked against. */
import type { DType } from '../../tensor/dtype.js'
import type { Attrs, TensorSpec } from '../../tensor/graph.js'
import { bf16ToF32, f16ToF32, f32ToBf16, f32ToF16 } from '../../tensor/half.js'
import { sizeOf, stridesOf } from '../../tensor/shape.js'
import { internal, LabError } from '../../util/errors.js'

/** A value: its elements as float64, whatever its dtype; booleans are 0 and 1. */
export interface Value extends TensorSpec {
  readonly data: Float64Array
}

type Kernel = (inputs: readonly Value[], attrs: Attrs, out: TensorSpec) => Float64Array

const unary: Record<string, (x: number) => number> = {
  neg: x => -x,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  reciprocal: x => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sigmoid: x => 1 / (1 + Math.exp(-x)),
  abs: Math.abs,
  not: x => (x ? 0 : 1),
}

const binary: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => a ** b,
  maximum: Math.max,
  minimum: Math.min,
  equal: (a, b) => Number(a === b),
  less: (a, b) => Number(a < b),
  lessOrEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterOrEqual: (a, b) => Number(a >= b),
  and: (a, b) => Number(a && b),
  or: (a, b) => Number(a || b),
}

/** What overflows an i32 wraps around, as on every machine. */
const wrapped: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: Math.imul,
}

/** Index of the element of a broadcast operand for every element of the result, in order. */
function broadcastIndices(shape: readonly number[], out: readonly number[]): Int32Array {
  const strides = stridesOf(shape)
  const step = out.map((_, i) => {
    const axis = i - (out.length - shape.length)
    return axis < 0 || shape[axis] === 1 ? 0 : strides[axis]!
  })
  return walk(out, step)
}

/** Linear index `sum(step[i] * index[i])` for every index of `shape` in row-major order. */
function walk(shape: readonly number[], step: readonly number[], start = 0): Int32Array {
  const out = new Int32Array(sizeOf(shape))
  const index = new Array<number>(shape.length).fill(0)
  let at = start
  for (let n = 0; n < out.length; n++) {
    out[n] = at
    for (let i = shape.length - 1; i >= 0; i--) {
      at += step[i]!
      if (++index[i]! < shape[i]!) break
      at -= step[i]! * shape[i]!
      index[i] = 0
    }
  }
  return out
}

const gatherBy = (data: Float64Array, indices: Int32Array): Float64Array => Float64Array.from(indices, i => data[i]!)

const kernels: Record<string, Kernel> = {
  scalar: (_, attrs) => Float64Array.of(attrs['value'] as number),
  iota: (_, attrs) => Float64Array.from({ length: attrs['length'] as number }, (_unused, i) => i),
  where([condition, a, b], _, out) {
    const [ic, ia, ib] = [condition!, a!, b!].map(v => broadcastIndices(v.shape, out.shape))
    return Float64Array.from(ic!, (c, n) => (condition!.data[c] ? a!.data[ia![n]!]! : b!.data[ib![n]!]!))
  },
  cast: ([x], attrs) => rounded(x!.data, attrs['dtype'] as DType),
  reshape: ([x]) => x!.data,
  barrier: ([x]) => x!.data,
  expand: ([x], _, out) => gatherBy(x!.data, broadcastIndices(x!.shape, out.shape)),
  permute([x], attrs, out) {
    const strides = stridesOf(x!.shape)
    return gatherBy(
      x!.data,
      walk(
        out.shape,
        (attrs['axes'] as number[]).map(a => strides[a]!),
      ),
    )
  },
  slice([x], attrs, out) {
    const strides = stridesOf(x!.shape)
    return gatherBy(x!.data, walk(out.shape, strides, strides[attrs['axis'] as number]! * (attrs['start'] as number)))
  },
  pad([x], attrs, out) {
    const strides = stridesOf(out.shape)
    const places = walk(x!.shape, strides, strides[attrs['axis'] as number]! * (attrs['before'] as number))
    return scatterInto(new Float64Array(sizeOf(out.shape)), places, x!.data)
  },
  concat(inputs, attrs, out) {
    const strides = stridesOf(out.shape)
    const result = new Float64Array(sizeOf(out.shape))
    let start = 0
    for (const x of inputs) {
      scatterInto(result, walk(x.shape, strides, start * strides[attrs['axis'] as number]!), x.data)
      start += x.shape[attrs['axis'] as number]!
    }
    return result
  },
  sum: ([x], _, out) => reduced(x!, out, 0, (a, b) => a + b),
  max: ([x], _, out) => reduced(x!, out, Number.NEGATIVE_INFINITY, Math.max),
  argmax([x], _, out) {
    const width = x!.shape[x!.shape.length - 1]!
    return Float64Array.from({ length: sizeOf(out.shape) }, (_unused, row) => {
      const values = x!.data.subarray(row * width, (row + 1) * width)
      return values.indexOf(values.reduce((a, b) => Math.max(a, b)))
    })
  },
  matmul: ([a, b], attrs, out) => matmul(a!, b!, attrs, out),
  gather([table, ids]) {
    const width = sizeOf(table!.shape.slice(1))
    const result = new Float64Array(ids!.data.length * width)
    ids!.data.forEach((id, n) => {
      checkId('gather', id, table!.shape[0]!)
      result.set(table!.data.subarray(id * width, (id + 1) * width), n * width)
    })
    return result
  },
  scatterAdd([ids, rows], attrs, out) {
    const width = rows!.shape[1]!
    const result = new Float64Array(sizeOf(out.shape))
    ids!.data.forEach((id, n) => {
      checkId('scatterAdd', id, attrs['size'] as number)
      for (let c = 0; c < width; c++) result[id * width + c]! += rows!.data[n * width + c]!
    })
    return result
  },
  gatherLast([x, ids]) {
    const width = x!.shape[x!.shape.length - 1]!
    return Float64Array.from(ids!.data, (id, row) => {
      checkId('gatherLast', id, width)
      return x!.data[row * width + id]!
    })
  },
  update([base, rows, positions], attrs) {
    const axis = attrs['axis'] as number
    const strides = stridesOf(base!.shape)
    const result = base!.data.slice()
    const slice = [...rows!.shape]
    slice[axis] = 1
    positions!.data.forEach((position, n) => {
      checkId('update', position, base!.shape[axis]!)
      const to = walk(slice, strides, position * strides[axis]!)
      const from = walk(slice, stridesOf(rows!.shape), n * stridesOf(rows!.shape)[axis]!)
      to.forEach((place, i) => {
        result[place] = rows!.data[from[i]!]!
      })
    })
    return result
  },
}

/** Runs one plain op. */
export function evaluate(op: string, inputs: readonly Value[], attrs: Attrs, out: TensorSpec): Value {
  const one = unary[op]
  const two = binary[op]
  const kernel = kernels[op]
  if (one) return { ...out, data: inputs[0]!.data.map(one) }
  const wrap = out.dtype === 'i32' ? wrapped[op] : undefined
  if (two) {
    const [a, b] = inputs as [Value, Value]
    const ia = broadcastIndices(a.shape, out.shape)
    const ib = broadcastIndices(b.shape, out.shape)
    return { ...out, data: Float64Array.from(ia, (i, n) => (wrap ?? two)(a.data[i]!, b.data[ib[n]!]!)) }
  }
  if (!kernel) throw internal(`the reference engine has no op ${op}`)
  return { ...out, data: kernel(inputs, attrs, out) }
}

/** Values rounded as storage of that dtype rounds them; f32 stays float64, because this engine is the exact one. */
function rounded(data: Float64Array, dtype: DType): Float64Array {
  if (dtype === 'f16') return data.map(x => f16ToF32(f32ToF16(x)))
  if (dtype === 'bf16') return data.map(x => bf16ToF32(f32ToBf16(x)))
  if (dtype === 'i32') return data.map(Math.trunc)
  return dtype === 'bool' ? data.map(x => (x ? 1 : 0)) : data
}

function scatterInto(target: Float64Array, places: Int32Array, data: Float64Array): Float64Array {
  places.forEach((place, n) => {
    target[place] = data[n]!
  })
  return target
}

function reduced(x: Value, out: TensorSpec, start: number, combine: (a: number, b: number) => number): Float64Array {
  const result = new Float64Array(sizeOf(out.shape)).fill(start)
  const strides = stridesOf(out.shape)
  const places = walk(
    x.shape,
    strides.map((s, i) => (out.shape[i] === 1 ? 0 : s)),
  )
  places.forEach((place, n) => {
    result[place] = combine(result[place]!, x.data[n]!)
  })
  return result
}

function matmul(a: Value, b: Value, attrs: Attrs, out: TensorSpec): Float64Array {
  const rank = out.shape.length
  const [m, n] = [out.shape[rank - 2]!, out.shape[rank - 1]!]
  const k = sizeOf(a.shape.slice(-2)) / m
  const [am, ak] = attrs['transA'] ? [1, m] : [k, 1]
  const [bk, bn] = attrs['transB'] ? [1, k] : [n, 1]
  const lead = out.shape.slice(0, -2)
  const batchesA = broadcastIndices(a.shape.slice(0, -2), lead)
  const batchesB = broadcastIndices(b.shape.slice(0, -2), lead)
  const result = new Float64Array(sizeOf(out.shape))
  batchesA.forEach((batchA, batch) => {
    const [startA, startB] = [batchA * m * k, batchesB[batch]! * k * n]
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let total = 0
        for (let c = 0; c < k; c++) total += a.data[startA + i * am + c * ak]! * b.data[startB + c * bk + j * bn]!
        result[(batch * m + i) * n + j] = total * (attrs['alpha'] as number)
      }
    }
  })
  return result
}

/** @throws LabError ENGINE for an id that chooses none of `size` rows */
export function checkId(op: string, id: number, size: number): void {
  if (id < 0 || id >= size) throw new LabError('ENGINE', `${op}: index ${id} is outside 0..${size - 1}`)
}
