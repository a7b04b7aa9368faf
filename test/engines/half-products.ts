/** What every engine with products in f16 passes: the products against exact ones of rounded operands, and training. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { HALF_TERMS } from '../../src/engines/webgpu/half-product.js'
import type { Engine } from '../../src/tensor/engine.js'
import type { Tensor } from '../../src/tensor/graph.js'
import { f16ToF32, f32ToF16 } from '../../src/tensor/half.js'
import { fromHost } from '../../src/tensor/leaf.js'
import { add } from '../../src/tensor/ops/elementwise.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { realize } from '../../src/tensor/program.js'
import { sizeOf } from '../../src/tensor/shape.js'
import { defaultLossScaling } from '../../src/train/loss-scale.js'
import { TrainStep } from '../../src/train/step.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'

export const row = (...values: number[]) => fromHost(Float32Array.from(values), [1, values.length], 'f32')
export const column = (...values: number[]) => fromHost(Float32Array.from(values), [values.length, 1], 'f32')
const rounded = (x: number) => f16ToF32(f32ToF16(x))

export async function computed(product: Tensor, engine: Engine): Promise<number> {
  return (await realize([product], { engine }))[0]![0]!
}

interface Training {
  steps: number
  gradAccumSteps?: number
  /** Of the loss scale. */
  initial?: number
}

/** Losses and norms of steps on random batches. */
async function train(engine: Engine, { steps, gradAccumSteps = 1, initial = 2 ** 10 }: Training) {
  const model = tinyModel(engine, { changes: { num_hidden_layers: 3 } })
  const step = new TrainStep(model, [...model.parameters.keys()], {
    microBatch: 2,
    seqLen: 8,
    gradAccumSteps,
    rematBlocks: true,
    optimizer: { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 },
    lossScaling: engine.precision === 'f16' ? { ...defaultLossScaling, initial } : null,
  })
  const results = []
  for (let i = 0; i < steps; i++) {
    const batches = Array.from({ length: gradAccumSteps }, (_, j) => tinyBatch(2, 8, 16, gradAccumSteps * i + j))
    results.push(await step.run(batches, 0.003, i + 1))
  }
  step.dispose()
  model.dispose()
  return results
}

const rootMeanSquare = (values: ArrayLike<number>) =>
  Math.sqrt(Array.from(values).reduce((sum, x) => sum + x * x, 0) / values.length)

interface HalfProductsOptions {
  /** Root mean square of the products' errors over that of the products, at most: 3e-4 for one rounding of each part's sum. */
  error: number
  /** Whether a part's sum is rounded but once (default false). */
  roundsOnce?: boolean
}

/** Registers the tests. */
export function halfProducts(
  name: string,
  start: () => Engine,
  { error, roundsOnce = false }: HalfProductsOptions,
): void {
  describe(`${name}, products in f16`, () => {
    let f16: Engine
    let f32: Engine
    const reference = new ReferenceEngine()
    beforeAll(() => {
      f16 = start()
      f32 = new OnnxEngine({ threads: 1 })
    })
    afterAll(() => Promise.all([f16, f32].map(engine => engine.dispose())))

    it('round operands and result, and what is around them stays f32', async () => {
      expect(await computed(matmul(row(1 + 2 ** -12), column(1)), f16)).toBe(1)
      expect(await computed(matmul(row(2048, 1), column(1, 1)), f16)).toBe(2048)
      expect(await computed(add(matmul(row(1), column(1)), 2 ** -20), f16)).toBe(1 + 2 ** -20)
    })

    it('are infinite beyond the range of f16, sums of several parts are not, and a factor is applied before', async () => {
      expect(await computed(matmul(row(300), column(300)), f16)).toBe(Number.POSITIVE_INFINITY)
      expect(await computed(matmul(row(300), column(300), { alpha: 0.25 }), f16)).toBe(22_496)
      const sum = (terms: number) =>
        computed(matmul(row(...Array(terms).fill(200)), column(...Array(terms).fill(1))), f16)
      expect(Math.abs((await sum(512)) / 102_400 - 1)).toBeLessThan(0.02)
    })

    it.each([
      [{ transA: false, transB: false }, [2, 5, 7], [2, 7, 3]],
      [{ transA: true, transB: false, alpha: 0.5 }, [2, 7, 5], [2, 7, 3]],
      [{ transA: false, transB: true, alpha: 0.5 }, [2, 5, 7], [1, 3, 7]],
      [{ transA: true, transB: true }, [7, 5], [3, 7]],
      [{ transA: false, transB: false }, [8, 256], [256, 12]],
      [{ transA: false, transB: false }, [3, 257], [257, 4]],
      [{ transA: true, transB: false }, [2, 1000, 8], [1, 1000, 5]],
      [{ transA: false, transB: true, alpha: 0.5 }, [16, 512], [8, 512]],
      [{ transA: true, transB: true }, [700, 16], [2, 16, 700]],
    ])(
      'equal exact ones of rounded operands, but for the rounding of sums: %j %j %j',
      async (options, shapeA, shapeB) => {
        const random = new Prng(keyOf('f16', shapeA.length))
        const [a, b] = [shapeA, shapeB].map(shape =>
          Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
        )
        const product = (operand: (x: number) => number) =>
          matmul(fromHost(a!.map(operand), shapeA, 'f32'), fromHost(b!.map(operand), shapeB, 'f32'), options)
        const [ours] = await realize([product(x => x)], { engine: f16 })
        const [exact] = await realize([product(rounded)], { engine: reference })
        const errors = Float64Array.from(ours!, (x, i) => x - exact![i]!)
        const relative = rootMeanSquare(errors) / rootMeanSquare(exact!)
        console.log(`${name}: ${shapeA} by ${shapeB}, error ${relative.toExponential(1)}`)
        expect(relative).toBeLessThan(error)
        const isOnePart = shapeA.at(options.transA ? -2 : -1)! <= HALF_TERMS
        if (!roundsOnce || !isOnePart) return
        // the sum in f32 may fall on the other side of a tie
        for (const [i, x] of ours!.entries())
          expect(Math.abs(x - exact![i]!)).toBeLessThanOrEqual(
            2 ** -11 * Math.max(2 ** -13, Math.abs(exact![i]!)) * 1.01,
          )
        expect([...ours!]).toEqual([...ours!].map(rounded))
      },
    )

    it('sum many terms: what is small beside the sum is not lost', async () => {
      const ones = (length: number) => new Array<number>(length).fill(1)
      for (const terms of [2047, 4096, 10_000]) {
        expect(await computed(matmul(row(...ones(terms)), column(...ones(terms))), f16)).toBe(terms)
      }
      // as in a gradient's sum over positions: 1, in f16 no less after any number of terms of a half of its last bit, of 8191
      const small = [1, ...ones(8191).map(x => x * 2 ** -11)]
      const sum = await computed(matmul(row(...small), column(...ones(8192))), f16)
      expect(Math.abs(sum - 5)).toBeLessThan(0.13)
    })

    it.each([1, 2])(
      'train within 1e-2 of f32 over ten steps of %d micro-batches, and nothing overflows',
      async gradAccumSteps => {
        const [ours, theirs] = [
          await train(f16, { steps: 10, gradAccumSteps }),
          await train(f32, { steps: 10, gradAccumSteps }),
        ]
        const worst = Math.max(...ours.map(({ lossNats }, i) => Math.abs(lossNats - theirs[i]!.lossNats)))
        const worstNorm = Math.max(...ours.map(({ gradNorm }, i) => Math.abs(gradNorm / theirs[i]!.gradNorm - 1)))
        console.log(
          `${name}: worst difference of losses ${worst.toExponential(1)}, of gradient norms ${worstNorm.toExponential(1)}`,
        )
        expect(worst).toBeGreaterThan(0)
        expect(worst).toBeLessThan(1e-2)
        expect(worstNorm).toBeLessThan(2e-2)
        expect(ours.every(({ lossScale, isSkipped }) => lossScale === 2 ** 10 && !isSkipped)).toBe(true)
      },
    )

    it('skip a step whose gradients exceed f16 and go on with half the scale', async () => {
      const results = await train(f16, { steps: 6, initial: 2 ** 18 })
      const skipped = results.filter(({ isSkipped }) => isSkipped)
      expect(skipped.length).toBeGreaterThan(0)
      expect(skipped.length).toBeLessThan(5)
      expect(results.every(({ lossNats }) => Number.isFinite(lossNats))).toBe(true)
      expect(results.map(({ gradNorm, isSkipped }) => Number.isFinite(gradNorm) !== isSkipped)).not.toContain(false)
      expect(results.at(-1)).toMatchObject({ isSkipped: false, lossScale: 2 ** (18 - skipped.length) })
    })
  })
}
