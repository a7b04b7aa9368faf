/** GPUs in software: Vulkan drivers that compute on the CPU, each taken only when it is asked for by name. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'

interface SoftwareGpu {
  /** What people call it. */
  readonly title: string
  /** Names its file, where the usual places have none. */
  readonly variable: string
  /** Names of the file that tells the Vulkan loader about it. */
  readonly files: readonly [string, ...string[]]
  readonly folders: readonly string[]
  /** As the Vulkan loader matches names of files. */
  readonly patterns: readonly string[]
  readonly debian: string
}

const driverFolders = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d']

const gpus = {
  // browsers bring it along
  'webgpu:swiftshader': {
    title: 'SwiftShader',
    variable: 'LLAMA_PRO_SWIFTSHADER',
    files: ['vk_swiftshader_icd.json'],
    folders: [
      '/usr/lib/chromium',
      '/usr/lib/chromium-browser',
      '/usr/lib64/chromium-browser',
      '/opt/google/chrome',
      ...driverFolders,
    ],
    patterns: ['*swiftshader*'],
    debian: 'apt-get install chromium',
  },
  'webgpu:lavapipe': {
    title: 'lavapipe',
    variable: 'LLAMA_PRO_LAVAPIPE',
    files: ['lvp_icd.json', 'lvp_icd.x86_64.json', 'lvp_icd.aarch64.json'],
    folders: driverFolders,
    patterns: ['*lvp*', '*lavapipe*'],
    debian: 'apt-get install mesa-vulkan-drivers, on Debian 12 with -t bookworm-backports',
  },
} satisfies Record<string, SoftwareGpu>

/** `webgpu:swiftshader` computes in f32; `webgpu:lavapipe`, Mesa's, has `shader-f16` and is several times as fast. */
export type SoftwareDevice = keyof typeof gpus
export const softwareDevices = Object.keys(gpus) as readonly SoftwareDevice[]

export function isSoftwareDevice(device: string): device is SoftwareDevice {
  return Object.hasOwn(gpus, device)
}

/** The file that tells Vulkan about the driver, or null when there is none on this machine. */
export function softwareDriver(device: SoftwareDevice, env: NodeJS.ProcessEnv = process.env): string | null {
  const { variable, folders, files } = gpus[device]
  const named = env[variable]
  const usual = folders.flatMap(folder => files.map(file => join(folder, file)))
  return [...(named ? [named] : usual)].find(path => existsSync(path)) ?? null
}

/** Where its driver comes from. */
export function softwareAdvice(device: SoftwareDevice): string {
  return `on Debian: ${gpus[device].debian}`
}

/** Why there is no driver of a device in software and what to do, or null when its file is there, which may be too old. */
export function softwareFault(device: SoftwareDevice, env: NodeJS.ProcessEnv = process.env): string | null {
  const { title, variable, files } = gpus[device]
  if (process.platform !== 'linux') return `${title} is looked for on Linux only`
  if (softwareDriver(device, env) !== null) return null
  if (env[variable]) return `no ${title} found: ${variable} names ${env[variable]}, which is not there`
  return `no ${title} found; ${softwareAdvice(device)}; elsewhere name its ${files[0]} in ${variable}`
}

/**
 * What a process that has named a GPU adds to its environment: whoever opens Vulkan from then on, Dawn included, is not told of
 * drivers in software, so that what is taken is what was named. What the user disables stays disabled.
 */
export function hardwareEnvironment({ VK_LOADER_DRIVERS_DISABLE: own }: NodeJS.ProcessEnv): Record<string, string> {
  const patterns = Object.values(gpus).flatMap(gpu => gpu.patterns)
  return { VK_LOADER_DRIVERS_DISABLE: [...(own ? [own] : []), ...patterns].join() }
}
