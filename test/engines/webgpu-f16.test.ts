/** Products in f16: the models emitted for WebGPU, computed by the CPU provider, which rounds where they say so. */
import { afterAll, describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { requireF16 } from '../../src/engines/webgpu/adapter.js'
import { emitDeviceModel, nativeOps } from '../../src/engines/webgpu/emit.js'
import { deviceWorkingBytes } from '../../src/engines/webgpu/working-bytes.js'
import { createEngine } from '../../src/lab/engines.js'
import type { Engine } from '../../src/tensor/engine.js'
import { f16ToF32, f32ToF16 } from '../../src/tensor/half.js'
import { fromHost } from '../../src/tensor/leaf.js'
import { lower } from '../../src/tensor/lower.js'
import { add } from '../../src/tensor/ops/elementwise.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { realize } from '../../src/tensor/program.js'
import { Variable } from '../../src/tensor/variable.js'
import { defaultLossScaling } from '../../src/train/loss-scale.js'
import { TrainStep } from '../../src/train/step.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { DeviceModelEngine } from '../support/device-model-engine.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'

const [f16, f32, reference] = [new DeviceModelEngine('f16'), new DeviceModelEngine('f32'), new ReferenceEngine()]
afterAll(() => Promise.all([f16, f32].map(engine => engine.dispose())))

const rounded = (x: number) => f16ToF32(f32ToF16(x))
const row = (...values: number[]) => fromHost(Float32Array.from(values), [1, values.length], 'f32')
const column = (...values: number[]) => fromHost(Float32Array.from(values), [values.length, 1], 'f32')

async function computed(product: ReturnType<typeof matmul>, engine: Engine): Promise<number> {
  return (await realize([product], { engine }))[0]![0]!
}

/** Losses and norms of steps on random batches. */
async function train(
  engine: Engine,
  { steps, gradAccumSteps = 1, initial = 2 ** 10 }: { steps: number; gradAccumSteps?: number; initial?: number },
) {
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

describe('products in f16', () => {
  it('round operands and result, and what is around them stays f32', async () => {
    expect(await computed(matmul(row(1 + 2 ** -12), column(1)), f16)).toBe(1)
    expect(await computed(matmul(row(2048, 1), column(1, 1)), f16)).toBe(2048)
    expect(await computed(matmul(row(2048, 1), column(1, 1)), f32)).toBe(2049)
    expect(await computed(add(matmul(row(1), column(1)), 2 ** -20), f16)).toBe(1 + 2 ** -20)
  })

  it('are infinite beyond the range of f16, and a factor is applied before', async () => {
    expect(await computed(matmul(row(300), column(300)), f16)).toBe(Number.POSITIVE_INFINITY)
    expect(await computed(matmul(row(300), column(300), { alpha: 0.25 }), f16)).toBe(22_496)
    expect(await computed(matmul(row(300), column(300), { alpha: 0.25 }), f32)).toBe(22_500)
  })

  it.each([
    [{ transA: false, transB: false }, [2, 5, 7], [2, 7, 3]],
    [{ transA: true, transB: false, alpha: 0.5 }, [2, 7, 5], [2, 7, 3]],
    [{ transA: false, transB: true, alpha: 0.5 }, [2, 5, 7], [1, 3, 7]],
    [{ transA: true, transB: true }, [7, 5], [3, 7]],
  ])('equal exact ones of rounded operands, rounded: %j', async (options, shapeA, shapeB) => {
    const random = new Prng(keyOf('f16', shapeA.length))
    const [a, b] = [shapeA, shapeB].map(shape => {
      const values = Float32Array.from({ length: shape.reduce((x, y) => x * y) }, () => random.normal())
      return { shape, values }
    })
    const product = (operand: (x: number) => number) =>
      matmul(fromHost(a!.values.map(operand), shapeA, 'f32'), fromHost(b!.values.map(operand), shapeB, 'f32'), options)
    const [ours] = await realize([product(x => x)], { engine: f16 })
    const [exact] = await realize([product(rounded)], { engine: reference })
    // the sum in f32 may fall on the other side of a tie
    for (const [i, x] of ours!.entries())
      expect(Math.abs(x - exact![i]!)).toBeLessThanOrEqual(2 ** -11 * Math.max(2 ** -13, Math.abs(exact![i]!)) * 1.01)
    expect([...ours!]).toEqual([...ours!].map(rounded))
  })

  it('cast a value once and a weight for each of its readers, so that no second copy of the weights stays', () => {
    const w = new Variable([4, 4], 'f32', { kind: 'zeros' }, { engine: reference })
    const x = fromHost(new Float32Array(16), [4, 4], 'f32')
    const y = matmul(matmul(x, w.value), add(matmul(x, w.value, { transB: true }), 1))
    const { graph } = emitDeviceModel(lower([y], [], nativeOps).spec, { precision: 'f16' })
    const casts = graph.nodes.filter(({ op }) => op === 'Cast').map(({ inputs }) => inputs[0]!)
    const narrowed = casts.filter(
      name => !graph.nodes.some(({ op, outputs }) => op === 'MatMul' && outputs[0] === name),
    )
    expect(narrowed.filter(name => narrowed.indexOf(name) !== narrowed.lastIndexOf(name))).toHaveLength(2)
    expect(graph.nodes.filter(({ op }) => op === 'MatMul')).toHaveLength(3)
    w.dispose()
  })

  it('are told to the estimate of memory', () => {
    const x = fromHost(new Float32Array(1 << 20), [1 << 10, 1 << 10], 'f32')
    const { spec } = lower([matmul(matmul(x, x), x)], [], nativeOps)
    expect(deviceWorkingBytes([spec], 'f16').intermediate).not.toBe(deviceWorkingBytes([spec], 'f32').intermediate)
  })
})

describe('training with products in f16 and loss scaling', () => {
  it.each([1, 2])(
    'follows f32 within 1e-2 over ten steps of %d micro-batches, and nothing overflows',
    async gradAccumSteps => {
      const [ours, theirs] = [
        await train(f16, { steps: 10, gradAccumSteps }),
        await train(f32, { steps: 10, gradAccumSteps }),
      ]
      const worst = Math.max(...ours.map(({ lossNats }, i) => Math.abs(lossNats - theirs[i]!.lossNats)))
      const worstNorm = Math.max(...ours.map(({ gradNorm }, i) => Math.abs(gradNorm / theirs[i]!.gradNorm - 1)))
      console.log(
        `f16: worst difference of losses ${worst.toExponential(1)}, of gradient norms ${worstNorm.toExponential(1)}`,
      )
      expect(worst).toBeGreaterThan(0)
      expect(worst).toBeLessThan(1e-2)
      expect(worstNorm).toBeLessThan(2e-2)
      expect(ours.every(({ lossScale, isSkipped }) => lossScale === 2 ** 10 && !isSkipped)).toBe(true)
    },
  )

  it('skips a step whose gradients exceed f16 and goes on with half the scale', async () => {
    const results = await train(f16, { steps: 6, initial: 2 ** 18 })
    const skipped = results.filter(({ isSkipped }) => isSkipped)
    expect(skipped.length).toBeGreaterThan(0)
    expect(skipped.length).toBeLessThan(5)
    expect(results.every(({ lossNats }) => Number.isFinite(lossNats))).toBe(true)
    expect(results.map(({ gradNorm, isSkipped }) => Number.isFinite(gradNorm) !== isSkipped)).not.toContain(false)
    expect(results.at(-1)).toMatchObject({ isSkipped: false, lossScale: 2 ** (18 - skipped.length) })
  })
})

describe('a device without f16', () => {
  it('is refused by name', () => {
    const adapter = { name: 'Some GPU', driver: 'driver 1.2', hasF16: false } as Parameters<typeof requireF16>[1]
    expect(() => requireF16('webgpu', adapter)).toThrow(
      /f16 is not supported on webgpu: Some GPU \(driver 1\.2\).* shader-f16; set precision: f32/,
    )
    expect(() => createEngine('cpu', { precision: 'f16' })).toThrow(/take one of webgpu, webgpu:swiftshader/)
    expect(() => createEngine('torch:cpu', { precision: 'f16' })).toThrow(/not supported on torch:cpu/)
    expect(() => createEngine('webgpu', { precision: 'bf16' })).toThrow(/take one of torch:cpu/)
  })
})
