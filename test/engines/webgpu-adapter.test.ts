import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { chooseAdapter } from '../../src/engines/webgpu/adapter.js'
import { emitDeviceModel, nativeOps } from '../../src/engines/webgpu/emit.js'
import { hardwareEnvironment, softwareDriver, softwareFault } from '../../src/engines/webgpu/software.js'
import type { VulkanDevice } from '../../src/engines/webgpu/vulkan.js'
import { deviceWorkingBytes } from '../../src/engines/webgpu/working-bytes.js'
import { fromHost, input } from '../../src/tensor/leaf.js'
import { lower } from '../../src/tensor/lower.js'
import { cast, mul } from '../../src/tensor/ops/elementwise.js'
import { matmul } from '../../src/tensor/ops/matmul.js'
import { Variable } from '../../src/tensor/variable.js'
import { temporaryDirectory } from '../support/temporary.js'

const countDevices = `
  import { openVulkan, vulkanDevices } from './src/engines/webgpu/vulkan.js'
  console.log(vulkanDevices(openVulkan(process.argv.at(-1))).length)
`

const openUnnamed = `
  import { openAdapter } from './src/engines/webgpu/adapter.js'
  import { LabError } from './src/util/errors.js'
  const tell = found => console.log(JSON.stringify(found))
  try {
    tell({ kind: openAdapter('webgpu').kind })
  } catch (error) {
    tell({ isOurs: error instanceof LabError, code: error.code, message: error.message })
  }
`

/** What a program of its own prints: a process has one adapter, and this one may have taken one. */
function printed(program: string, args: readonly string[] = [], env: Record<string, string> = {}): string {
  const node = ['--import', 'tsx', '--input-type=module', '--eval', program, ...args]
  return execFileSync(process.execPath, node, { env: { ...process.env, ...env }, encoding: 'utf8' })
}

describe('adapters of webgpu', () => {
  it.each([
    ['webgpu:swiftshader', 'LLAMA_PRO_SWIFTSHADER'],
    ['webgpu:lavapipe', 'LLAMA_PRO_LAVAPIPE'],
  ] as const)('takes the driver of %s from the file named, and from nowhere else then', (device, variable) => {
    const file = join(temporaryDirectory('icd'), 'icd.json')
    expect(softwareDriver(device, { [variable]: file })).toBe(null)
    writeFileSync(file, '{}')
    expect(softwareDriver(device, { [variable]: file })).toBe(file)
  })

  it.skipIf(process.platform !== 'linux')('says what to do without the driver', () => {
    const named = softwareFault('webgpu:lavapipe', { LLAMA_PRO_LAVAPIPE: '/nowhere.json' })
    expect(named).toBe('no lavapipe found: LLAMA_PRO_LAVAPIPE names /nowhere.json, which is not there')
    if (softwareDriver('webgpu:lavapipe', {}) !== null) return
    expect(softwareFault('webgpu:lavapipe', {})).toMatch(
      /no lavapipe found; on Debian: .*mesa-vulkan-drivers.*; elsewhere/,
    )
  })

  it('of a GPU leaves Vulkan none in software to take instead', () => {
    expect(hardwareEnvironment({})).toEqual({ VK_LOADER_DRIVERS_DISABLE: '*swiftshader*,*lvp*,*lavapipe*' })
    const own = hardwareEnvironment({ VK_LOADER_DRIVERS_DISABLE: '*intel*' })
    expect(own['VK_LOADER_DRIVERS_DISABLE']).toMatch(/^\*intel\*,\*swiftshader/)
  })

  const driver = process.platform === 'linux' ? softwareDriver('webgpu:swiftshader') : null
  const loader = driver === null ? '' : join(dirname(driver), 'libvulkan.so.1')
  it.skipIf(driver === null || !existsSync(loader))(
    'of a GPU is heeded by the loader that comes with SwiftShader',
    () => {
      const count = (env: Record<string, string>) =>
        Number(printed(countDevices, [loader], { VK_DRIVER_FILES: driver!, VK_ICD_FILENAMES: driver!, ...env }))
      expect([count({}), count(hardwareEnvironment({}))]).toEqual([1, 0])
    },
  )

  const device = (name: string, kind: VulkanDevice['kind'], lacks: string[] = []): VulkanDevice => ({
    ...{ name, kind, lacks, driver: 'driver 1.2', api: '1.3.0', memoryBytes: 8e9, maxBufferBytes: 1e9 },
    ...{ sharedMemoryBytes: 32_768, subgroupSize: 32, hasF16: true },
  })

  it('are the fastest of those that do what WebGPU needs, and in software only when named', () => {
    const software = device('llvmpipe', 'software')
    const old = device('Old GPU', 'discrete', ['shaderSampledImageArrayDynamicIndexing'])
    const found = [software, device('Small GPU', 'integrated'), old, device('Big GPU', 'discrete')]
    expect(chooseAdapter('webgpu', found).name).toBe('Big GPU')
    expect(chooseAdapter('webgpu', found.slice(0, 3)).name).toBe('Small GPU')
    expect(chooseAdapter('webgpu:lavapipe', found).name).toBe('llvmpipe')
    expect(() => chooseAdapter('webgpu', [software])).toThrow(/only llvmpipe, which computes on the CPU; install/)
    expect(() => chooseAdapter('webgpu', [])).toThrow(/finds no device; install the driver of your GPU/)
    expect(() => chooseAdapter('webgpu', [software, old])).toThrow(
      /^webgpu: Old GPU \(driver 1\.2\) has no shaderSampledImageArrayDynamicIndexing, which WebGPU needs; install a newer driver$/,
    )
    expect(() => chooseAdapter('webgpu:lavapipe', [device('llvmpipe', 'software', ['x', 'y'])])).toThrow(
      /llvmpipe .* has no x, y, which WebGPU needs; install a newer driver \(on Debian: apt-get install mesa/,
    )
  })

  it('without a name is a GPU or an error that says what to do, never software', () => {
    const found = JSON.parse(printed(openUnnamed)) as
      | { kind: string }
      | { isOurs: boolean; code: string; message: string }
    if ('kind' in found) expect(found.kind).not.toBe('software')
    else {
      expect(found.isOurs).toBe(true)
      expect(found.code).toBe('DEVICE')
      expect(found.message).toMatch(/install|cannot be named/)
    }
  })
})

describe('models for webgpu', () => {
  const engine = new ReferenceEngine()
  const matrix = () => new Variable([4, 4], 'f32', { kind: 'zeros' }, { engine })

  it('write an update that happens in place through a copy: no kernel writes a buffer that it reads', () => {
    const w = matrix()
    const { spec } = lower([], [{ variable: w.value, value: mul(w.value, 2) }], nativeOps)
    const { graph, resultNames } = emitDeviceModel(spec, { inPlace: [true] })
    const last = graph.nodes.at(-1)!
    expect([last.op, last.outputs]).toEqual(['Identity', resultNames])
    expect(last.inputs).not.toContain('v0')
  })

  it('read 16-bit weights without a node, and transpose before a product', () => {
    const half = new Variable([4, 4], 'bf16', { kind: 'zeros' }, { engine })
    const x = input('x', [4, 4])
    const { spec } = lower([matmul(x, cast(half.value, 'f32'), { transB: true })], [], nativeOps)
    expect(emitDeviceModel(spec).graph.nodes.map(node => node.op)).toEqual(['Transpose', 'MatMul'])
  })

  it('say before what they take between nodes: two buffers of a chain, and a second copy where two variables swap', () => {
    const [a, b] = [matrix(), matrix()]
    const swap = lower(
      [],
      [
        { variable: a.value, value: b.value },
        { variable: b.value, value: a.value },
      ],
      nativeOps,
    )
    expect(deviceWorkingBytes([swap.spec]).spare).toBe(128)
    const chain = mul(mul(mul(fromHost(new Float32Array(1024), [1024], 'f32'), 2), 3), 4)
    expect(deviceWorkingBytes([lower([mul(chain, 5)], [], nativeOps).spec]).intermediate).toBe(8192)
  })
})
