/** Which GPU a `webgpu` device is, found out before onnxruntime opens it, so that nothing else is taken silently. */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { LabError } from '../../util/errors.js'
import { formatBytes } from '../../util/format.js'
import {
  hardwareEnvironment,
  isSoftwareDevice,
  type SoftwareDevice,
  softwareAdvice,
  softwareDevices,
  softwareDriver,
  softwareFault,
} from './software.js'
import { openVulkan, type VulkanDevice, type VulkanLoader, vulkanDevices } from './vulkan.js'

/** `webgpu` is a GPU; the others compute on the CPU, for tests and for machines without one. */
export const webGpuDevices = ['webgpu', ...softwareDevices] as const
export type WebGpuDevice = 'webgpu' | SoftwareDevice

export interface Adapter extends VulkanDevice {
  /** Name, driver, features and limits in one line. */
  readonly description: string
}

const loaderNames: Partial<Record<NodeJS.Platform, string>> = { linux: 'libvulkan.so.1', win32: 'vulkan-1.dll' }

/** One process opens one adapter: all of onnxruntime's sessions share it. The loader is held, so that it stays loaded. */
let opened: { readonly device: WebGpuDevice; readonly adapter: Adapter; readonly loader: VulkanLoader } | null = null

/**
 * The adapter of a device name, to be called on the main thread. With one in software, the process's Vulkan then knows no other.
 * @throws LabError DEVICE when there is none, with what to install; when only a software adapter is there and it was not
 *   asked for by name; when its driver is too old for WebGPU; on a platform whose adapters cannot be named
 */
export function openAdapter(device: WebGpuDevice): Adapter {
  if (opened?.device === device) return opened.adapter
  if (opened) {
    throw new LabError('DEVICE', `${device}: this process already uses ${opened.adapter.name}; start another process`)
  }
  const isSoftware = isSoftwareDevice(device)
  environment ??= { ...process.env }
  const loader = isSoftware ? softwareLoader(device) : hardwareLoader()
  const chosen = chooseAdapter(device, vulkanDevices(loader))
  // the loader looks for drivers anew whenever somebody opens Vulkan
  if (!isSoftware) Object.assign(process.env, hardwareEnvironment(process.env))
  const adapter = { ...chosen, description: describe(chosen) }
  opened = { device, adapter, loader }
  return adapter
}

/** That of the process before its choice of an adapter, which it is told through its environment: for processes that choose another. */
let environment: NodeJS.ProcessEnv | null = null

/** The environment, with what chooses among Vulkan's drivers as it was before {@link openAdapter}. */
export function environmentBefore(): NodeJS.ProcessEnv {
  const names = ['VK_ICD_FILENAMES', 'VK_DRIVER_FILES', 'VK_LOADER_DRIVERS_DISABLE']
  const { ...env } = process.env
  for (const name of environment ? names : []) {
    if (environment?.[name] === undefined) delete env[name]
    else env[name] = environment[name]
  }
  return env
}

/** The best of what Vulkan has for a device name. @throws LabError DEVICE when there is none, saying why and what to do */
export function chooseAdapter(device: WebGpuDevice, found: readonly VulkanDevice[]): VulkanDevice {
  const ofKind = found.filter(d => isOnCpu(d) === isSoftwareDevice(device)).sort(byRank)
  const chosen = ofKind.find(({ lacks }) => lacks.length === 0)
  if (chosen) return chosen
  throw new LabError('DEVICE', `${device}: ${nothingFound(device, found, ofKind[0])}`)
}

function isOnCpu({ kind }: VulkanDevice): boolean {
  return kind === 'software'
}

/** The order in which Dawn prefers adapters for speed. */
function byRank(a: VulkanDevice, b: VulkanDevice): number {
  const rank = ['discrete', 'integrated', 'virtual', 'other', 'software']
  return rank.indexOf(a.kind) - rank.indexOf(b.kind)
}

function nothingFound(device: WebGpuDevice, found: readonly VulkanDevice[], unfit: VulkanDevice | undefined): string {
  if (unfit) {
    const newer = isSoftwareDevice(device) ? ` (${softwareAdvice(device)})` : ''
    return `${unfit.name} (${unfit.driver}) has no ${unfit.lacks.join(', ')}, which WebGPU needs; install a newer driver${newer}`
  }
  if (isSoftwareDevice(device)) return `Vulkan finds no device that computes on the CPU in ${softwareDriver(device)}`
  const names = found.map(d => d.name).join(', ')
  const seen = names ? `Vulkan finds only ${names}, which computes on the CPU` : 'Vulkan finds no device'
  return `${seen}; install the driver of your GPU, or ask for a software adapter by name: ${softwareDevices.join(', ')}`
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
function softwareLoader(device: SoftwareDevice): VulkanLoader {
  const driver = softwareDriver(device)
  const fault = softwareFault(device)
  if (driver === null || fault !== null) throw new LabError('DEVICE', `${device}: ${fault}`)
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
