/** Which GPU a `webgpu` device is, found out before onnxruntime opens it, so that nothing else is taken silently. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LabError } from '../../util/errors.js'
import { formatBytes } from '../../util/format.js'
import { openVulkan, type VulkanDevice, type VulkanLoader, vulkanDevices } from './vulkan.js'

/** `webgpu` is a GPU; `webgpu:swiftshader` is SwiftShader, which computes on the CPU, for tests. */
export const webGpuDevices = ['webgpu', 'webgpu:swiftshader'] as const
export type WebGpuDevice = (typeof webGpuDevices)[number]

export interface Adapter extends VulkanDevice {
  /** Name, driver, features and limits in one line. */
  readonly description: string
}

/** Names the file of a Vulkan driver in software (`vk_swiftshader_icd.json`), where the usual places have none. */
export const SOFTWARE_DRIVER_VARIABLE = 'LLAMA_PRO_SWIFTSHADER'

/** Where browsers bring SwiftShader along. */
const usualPlaces = [
  '/usr/lib/chromium',
  '/usr/lib/chromium-browser',
  '/usr/lib64/chromium-browser',
  '/opt/google/chrome',
  '/usr/share/vulkan/icd.d',
  '/etc/vulkan/icd.d',
].map(folder => join(folder, 'vk_swiftshader_icd.json'))

const loaderNames: Partial<Record<NodeJS.Platform, string>> = { linux: 'libvulkan.so.1', win32: 'vulkan-1.dll' }

/** The file that tells Vulkan about SwiftShader, or null when there is none on this machine. */
export function softwareDriver(env: NodeJS.ProcessEnv = process.env): string | null {
  const named = env[SOFTWARE_DRIVER_VARIABLE]
  return [...(named ? [named] : usualPlaces)].find(path => existsSync(path)) ?? null
}

/** One process opens one adapter: all of onnxruntime's sessions share it. The loader is held, so that it stays loaded. */
let opened: { readonly device: WebGpuDevice; readonly adapter: Adapter; readonly loader: VulkanLoader } | null = null

/**
 * The adapter of a device name, to be called on the main thread. With SwiftShader, the process's Vulkan then knows no other.
 * @throws LabError DEVICE when there is none, with what to install; when only a software adapter is there and it was not
 *   asked for by name; on a platform whose adapters cannot be named
 */
export function openAdapter(device: WebGpuDevice): Adapter {
  const isSoftware = device === 'webgpu:swiftshader'
  if (opened?.device === device) return opened.adapter
  if (opened) {
    throw new LabError('DEVICE', `${device}: this process already uses ${opened.adapter.name}; start another process`)
  }
  const loader = isSoftware ? softwareLoader(device) : hardwareLoader()
  const found = vulkanDevices(loader)
  const chosen = isSoftware ? found.find(isOnCpu) : [...found].sort(byRank).find(d => !isOnCpu(d))
  if (!chosen) throw new LabError('DEVICE', `${device}: ${nothingFound(found)}`)
  // the loader looks for drivers anew whenever somebody opens Vulkan
  if (!isSoftware) Object.assign(process.env, hardwareEnvironment(process.env))
  const adapter = { ...chosen, description: describe(chosen) }
  opened = { device, adapter, loader }
  return adapter
}

function isOnCpu({ kind }: VulkanDevice): boolean {
  return kind === 'software'
}

/** The order in which Dawn prefers adapters for speed. */
function byRank(a: VulkanDevice, b: VulkanDevice): number {
  const rank = ['discrete', 'integrated', 'virtual', 'other', 'software']
  return rank.indexOf(a.kind) - rank.indexOf(b.kind)
}

function nothingFound(found: readonly VulkanDevice[]): string {
  const names = found.map(d => d.name).join(', ')
  const seen = names ? `Vulkan finds only ${names}, which computes on the CPU` : 'Vulkan finds no device'
  return `${seen}; install the driver of your GPU, or ask for the software adapter by name: webgpu:swiftshader`
}

/** Files of drivers that compute on the CPU, as the Vulkan loader matches them: SwiftShader, and Mesa's lavapipe. */
const softwareDrivers = ['*swiftshader*', '*lvp*', '*lavapipe*']

/**
 * What a process that has named a GPU adds to its environment: whoever opens Vulkan from then on, Dawn included, is not told of
 * drivers in software, so that what is taken is what was named. What the user disables stays disabled.
 */
export function hardwareEnvironment({ VK_LOADER_DRIVERS_DISABLE: own }: NodeJS.ProcessEnv): Record<string, string> {
  return { VK_LOADER_DRIVERS_DISABLE: [...(own ? [own] : []), ...softwareDrivers].join() }
}

function hardwareLoader(): VulkanLoader {
  const name = loaderNames[process.platform]
  if (name) return openVulkan(name)
  throw new LabError(
    'DEVICE',
    `webgpu: adapters cannot be named on ${process.platform} yet, and none is taken unnamed; use cpu, or torch:mps`,
  )
}

/** The loader of the system, or the one that the browser has beside its SwiftShader. */
function softwareLoader(device: WebGpuDevice): VulkanLoader {
  const driver = process.platform === 'linux' ? softwareDriver() : null
  if (!driver) {
    throw new LabError(
      'DEVICE',
      `${device}: no SwiftShader found; on Debian: apt-get install chromium; elsewhere name its vk_swiftshader_icd.json in ${SOFTWARE_DRIVER_VARIABLE}`,
    )
  }
  process.env['VK_ICD_FILENAMES'] = driver
  process.env['VK_DRIVER_FILES'] = driver
  const beside = join(dirname(driver), 'libvulkan.so.1')
  // once it is in the process, onnxruntime's own search for the same name finds it
  return openVulkan(existsSync(beside) ? beside : 'libvulkan.so.1')
}

/** @throws LabError PRECISION when shaders of the adapter do not compute in f16 */
export function requireF16(device: WebGpuDevice, { name, driver, hasF16 }: Adapter): void {
  if (hasF16) return
  throw new LabError(
    'PRECISION',
    `precision f16 is not supported on ${device}: ${name} (${driver}) does not have the WebGPU feature shader-f16; set precision: f32, or use another GPU or a newer driver`,
  )
}

function describe(device: VulkanDevice): string {
  const { name, kind, driver, api, memoryBytes, maxBufferBytes, sharedMemoryBytes, subgroupSize, hasF16 } = device
  const limits = `${formatBytes(memoryBytes)}, tensors up to ${formatBytes(maxBufferBytes)}, ${formatBytes(sharedMemoryBytes)} shared, subgroups of ${subgroupSize}`
  return `${name} (${kind}, ${driver}, Vulkan ${api}; ${limits}; ${hasF16 ? 'with' : 'without'} shader-f16)`
}
