/** Products in f16: the models emitted for WebGPU, computed by the CPU provider, which rounds where they say so. */
import { afterAll, describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { requireF16 } from '../../src/engines/webgpu/adapter.js'
import { emitDeviceModel, HALF_TERMS, nativeOps } from '../../src/engines/webgpu/emit.js'
import { deviceWorkingBytes } from '../../src/engines/webgpu/working-bytes.js'
import { createEngine } from '../../src/lab/engines.js'
import { fromHost } from '../../src/tensor/leaf.js'
import { lower } from '../../src/tensor/lower.js'
import { add } from '../../src/tensor/ops/elementwise.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { Variable } from '../../src/tensor/variable.js'
import { DeviceModelEngine } from '../support/device-model-engine.js'
import { column, computed, halfProducts, row } from './half-products.js'

halfProducts('models for webgpu', () => new DeviceModelEngine('f16'), { error: 3e-4 })

describe('products in f16', () => {
  const [f32, reference] = [new DeviceModelEngine('f32'), new ReferenceEngine()]
  afterAll(() => f32.dispose())

  it('are in f32 where that is asked for', async () => {
    expect(await computed(matmul(row(2048, 1), column(1, 1)), f32)).toBe(2049)
    expect(await computed(matmul(row(300), column(300), { alpha: 0.25 }), f32)).toBe(22_500)
  })

  it('are sums in f32 of parts, each of so few terms that a kernel may sum them in f16', () => {
    const products = (terms: number) => {
      const [a, b] = [
        fromHost(new Float32Array(terms), [terms, 1], 'f32'),
        fromHost(new Float32Array(terms), [1, terms], 'f32'),
      ]
      const { graph } = emitDeviceModel(lower([matmul(a, b, { transA: true, transB: true })], [], nativeOps).spec, {
        precision: 'f16',
      })
      return graph.nodes.filter(({ op }) => op === 'MatMul').length
    }
    expect([1, HALF_TERMS, HALF_TERMS + 1, 4 * HALF_TERMS].map(products)).toEqual([1, 1, 2, 4])
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
