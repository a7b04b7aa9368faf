/** What the programs that time our training step have in common. */
import type { Model } from '../../src/model/model.js'
import { layerOf } from '../../src/model/parameters.js'
import type { Engine } from '../../src/tensor/engine.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { compile } from '../../src/tensor/program.js'
import { Variable } from '../../src/tensor/variable.js'
import { TrainStep } from '../../src/train/step.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import type { BenchCase } from './cases.js'
import { median } from './statistics.js'

/** Median seconds of training steps of a case on random tokens, after `warmup` steps. @throws Error for a loss that is not finite */
export async function medianStepSeconds(
  model: Model,
  shape: BenchCase,
  { steps, warmup }: { steps: number; warmup: number },
): Promise<number> {
  const isTrained = (path: string) => shape.trained === null || shape.trained.includes(layerOf(path) ?? -1)
  const step = new TrainStep(model, [...model.parameters.keys()].filter(isTrained), {
    microBatch: shape.batch,
    seqLen: shape.seqLen,
    gradAccumSteps: 1,
    optimizer: { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 },
    rematBlocks: false,
  })
  await step.load()
  const random = new Prng(keyOf('bench'))
  const ids = () => Int32Array.from({ length: shape.batch * shape.seqLen }, () => random.below(shape.vocabSize))
  const seconds: number[] = []
  for (let i = 0; i < warmup + steps; i++) {
    const batch = { inputIds: ids(), targets: ids() }
    const started = performance.now()
    const { lossNats } = await step.run([batch], 1e-4, i + 1)
    if (!Number.isFinite(lossNats)) throw new Error(`the loss of step ${i + 1} is ${lossNats}`)
    if (i >= warmup) seconds.push((performance.now() - started) / 1000)
  }
  return median(seconds)
}

/** Floating-point operations a second of a chain of square products in the engine's precision: its ceiling. */
export async function matmulFlops(engine: Engine, size: number): Promise<number> {
  const random = new Prng(keyOf('gemm'))
  const data = Float32Array.from({ length: size * size }, () => random.normal() / Math.sqrt(size))
  const [weight, state] = [0, 1].map(() => new Variable([size, size], 'f32', { kind: 'host', data }, { engine }))
  const products = 8
  let x = state!.value
  for (let i = 0; i < products; i++) x = matmul(x, weight!.value)
  const program = compile({ outputs: {}, updates: [[state!, x]], engine })
  const seconds: number[] = []
  for (let i = 0; i < 8; i++) {
    const started = performance.now()
    await program.run()
    if (i >= 3) seconds.push((performance.now() - started) / 1000)
  }
  return (products * 2 * size ** 3) / median(seconds)
}
