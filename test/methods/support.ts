import { expect } from 'vitest'
import type { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { plainParameters } from '../../src/methods/merge.js'
import { forward, headWeight, logitsOf } from '../../src/model/forward.js'
import { Model } from '../../src/model/model.js'
import type { Weights } from '../../src/model/weights.js'
import { grad } from '../../src/tensor/autograd.js'
import type { Tensor } from '../../src/tensor/graph.js'
import { fromHost } from '../../src/tensor/leaf.js'
import { lower } from '../../src/tensor/lower.js'
import { linearCrossEntropy } from '../../src/tensor/ops/cross-entropy.js'
import { mean } from '../../src/tensor/ops/reduce.js'
import { realize } from '../../src/tensor/program.js'
import type { Variable } from '../../src/tensor/variable.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { tinyBatch } from '../support/tiny-model.js'

const batch = tinyBatch(2, 5)
/** The ids of the first row. */
export const batchIds = [...batch.inputIds.subarray(0, 5)]
const ids = () => fromHost(batch.inputIds, [2, 5], 'i32')

/** Logits of two rows of five tokens. */
export async function logitsFor(
  { config, engine, weights: own }: Model,
  { weights = own }: { weights?: Weights } = {},
): Promise<Float32Array> {
  const logits = logitsOf(config, weights, forward(config, weights, ids()).hidden)
  return (await realize([logits], { engine }))[0] as Float32Array
}

export function lossOf({ config, weights }: Model): Tensor {
  const { hidden } = forward(config, weights, ids())
  return mean(linearCrossEntropy(hidden, headWeight(config, weights), fromHost(batch.targets, [10], 'i32')))
}

/** Gives what an adapter adds random values, so that nothing is at its start any more. */
export function disturb(model: Model, deviation = 0.3): void {
  for (const [path, shape] of model.weights.adapter!.shapes) {
    const random = new Prng(keyOf('disturb', path))
    const length = shape.reduce((n, size) => n * size, 1)
    model.parameter(path).write(Float32Array.from({ length }, () => deviation * random.normal()))
  }
}

/** The plain model that a run would save. */
export async function mergedModel(model: Model): Promise<Model> {
  const values = new Map<string, Float32Array>()
  for (const { name, read } of plainParameters(model)) values.set(name, (await read()) as Float32Array)
  return new Model(model.config, model.engine, path => ({
    dtype: 'f32',
    init: { kind: 'host', data: values.get(path)! },
  }))
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length)
  return Math.max(...Array.from(a, (x, i) => Math.abs(x - b[i]!)))
}

async function exactly(engine: ReferenceEngine, outputs: Tensor[]): Promise<Float64Array[]> {
  const { spec, key, data, variables } = lower(outputs, [], engine.nativeOps)
  const inputs = spec.inputs.map(({ value }) => data.get(value)!)
  const slots = variables.map(variable => (variable as Variable).id)
  return engine.runExact(await engine.load(spec, key), inputs, slots).map(({ data: values }) => values)
}

/** The largest error of the loss's gradient by a parameter against central differences, over `count` elements, relative to the largest gradient. */
export async function gradientError(model: Model, path: string, count = 6): Promise<number> {
  const engine = model.engine as ReferenceEngine
  const loss = lossOf(model)
  const variable = model.parameter(path)
  const [gradient] = await exactly(engine, grad(loss, [variable.value]))
  const start = Float32Array.from((await variable.read()) as Float32Array)
  const at = async (i: number, step: number) => {
    const values = start.slice()
    values[i]! += step
    variable.write(values)
    return { x: values[i]!, loss: (await exactly(engine, [loss]))[0]![0]! }
  }
  let worst = 0
  for (let n = 0; n < Math.min(count, start.length); n++) {
    const i = Math.floor((n * start.length) / Math.min(count, start.length))
    const [above, below] = [await at(i, 2 ** -11), await at(i, -(2 ** -11))]
    worst = Math.max(worst, Math.abs(gradient![i]! - (above.loss - below.loss) / (above.x - below.x)))
  }
  variable.write(start)
  return worst / Math.max(...gradient!.map(Math.abs))
}
