/** Products in f16: the models emitted for WebGPU, computed by the CPU provider, which rounds where they say so. */
import { afterAll, describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { requireF16 } from '../../src/engines/webgpu/adapter.js'
import { emitDeviceModel, nativeOps } from '../../src/engines/webgpu/emit.js'
import { HALF_TERMS } from '../../src/engines/webgpu/half-product.js'
import { deviceWorkingBytes } from '../../src/engines/webgpu/working-bytes.js'
import { createEngine } from '../../src/lab/engines.js'
import { fromHost, input } from '../../src/tensor/leaf.js'
import { lower } from '../../src/tensor/lower.js'
import { add } from '../../src/tensor/ops/elementwise.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { Variable } from '../../src/tensor/variable.js'
import { DeviceModelEngine } from '../support/device-model-engine.js'
import { column, computed, halfProducts, row } from './half-products.js'

halfProducts('models for webgpu', () => new DeviceModelEngine('f16'), { error: 3e-4, roundsOnce: true })

describe('products in f16', () => {
  const [f32, reference] = [new DeviceModelEngine('f32'), new ReferenceEngine()]
  afterAll(() => f32.dispose())

  it('are in f32 where that is asked for', async () => {
    expect(await computed(matmul(row(2048, 1), column(1, 1)), f32)).toBe(2049)
    expect(await computed(matmul(row(300), column(300), { alpha: 0.25 }), f32)).toBe(22_500)
  })

  /** What is emitted for a product of [rows, terms] and [terms, columns], and what it takes between its nodes. */
  const emitted = ([rows, terms, columns]: readonly [number, number, number], transB = false) => {
    const a = input('a', [rows, terms])
    const b = input('b', transB ? [columns, terms] : [terms, columns])
    const { spec } = lower([matmul(a, b, { transB })], [], nativeOps)
    const { nodes } = emitDeviceModel(spec, { precision: 'f16' }).graph
    return { nodes, intermediateBytes: deviceWorkingBytes([spec], 'f16').intermediate }
  }

  it('are sums in f32 of parts, each of so few terms that a kernel may sum them in f16', () => {
    const shapes = (terms: number, size: number) => {
      const { nodes } = emitted([size, terms, size])
      return ['MatMul', 'ReduceSum'].map(op => nodes.filter(node => node.op === op).length)
    }
    expect([1, HALF_TERMS].map(terms => shapes(terms, 4))).toEqual([
      [1, 0],
      [1, 0],
    ])
    // parts of a whole number of terms are one product, as long as their results are small
    expect([HALF_TERMS + 1, 64 * HALF_TERMS].map(terms => shapes(terms, 4))).toEqual([
      [2, 0],
      [1, 1],
    ])
    expect([2, 16].map(parts => shapes(parts * HALF_TERMS, 512))).toEqual([
      [1, 1],
      [2, 2],
    ])
    expect(shapes(4 * HALF_TERMS + 8, 4096)).toEqual([5, 0])
  })

  it('take as much memory with many parts as with few', () => {
    const bytes = (parts: number) => emitted([2048, parts * HALF_TERMS, 4096], true).intermediateBytes
    const operands = (parts: number) => 2 * parts * HALF_TERMS * (2048 + 4096)
    expect(bytes(128) - operands(128)).toBeLessThan(1.1 * (bytes(32) - operands(32)))
  })

  it('of the length of a vocabulary are few nodes', () => {
    expect(emitted([64, 128_256, 4096]).nodes.length).toBeLessThan(150)
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
