/** The GPUs that a Vulkan loader finds, asked directly: onnxruntime does not tell which adapter it took. */
import koffi from 'koffi'
import { LabError } from '../../util/errors.js'

/** One physical device, as its driver describes it. */
export interface VulkanDevice {
  readonly name: string
  readonly kind: 'discrete' | 'integrated' | 'virtual' | 'software' | 'other'
  /** Name and version of the driver. */
  readonly driver: string
  /** Vulkan version, `1.3.0`. */
  readonly api: string
  /** The biggest heap of its own memory. */
  readonly memoryBytes: number
  /** The biggest buffer that a shader can see at once. */
  readonly maxBufferBytes: number
  readonly sharedMemoryBytes: number
  readonly subgroupSize: number
  /** Whether shaders compute with 16-bit floats and read and write them: the WebGPU feature `shader-f16`. */
  readonly hasF16: boolean
  /** Of the features in {@link required}, those that it does not have. */
  readonly lacks: readonly string[]
}

/** A loaded `libvulkan`; held, because koffi unloads a library that is garbage. */
export type VulkanLoader = ReturnType<typeof koffi.load>

const kinds: readonly VulkanDevice['kind'][] = ['other', 'integrated', 'discrete', 'virtual', 'software']

/** VkStructureType. */
const structure = {
  instance: 1,
  application: 0,
  properties: 1_000_059_001,
  features: 1_000_059_000,
  driver: 1_000_196_000,
  subgroup: 1_000_094_000,
  f16: 1_000_082_000,
  storage16: 1_000_083_000,
}

/** Features without which Dawn takes no device and which not every driver has; places in VkPhysicalDeviceFeatures. */
const required: Readonly<Record<string, number>> = {
  shaderUniformBufferArrayDynamicIndexing: 33,
  shaderSampledImageArrayDynamicIndexing: 34,
  shaderStorageBufferArrayDynamicIndexing: 35,
  shaderStorageImageArrayDynamicIndexing: 36,
}

const VULKAN_1_2 = (1 << 22) | (2 << 12)

/** Offsets in VkPhysicalDeviceProperties, bytes. */
const offsets = {
  api: 0,
  kind: 16,
  name: 20,
  maxStorageBufferRange: 296 + 28,
  maxComputeSharedMemorySize: 296 + 216,
}

/** @throws LabError DEVICE when the library is not found or is not a Vulkan loader */
export function openVulkan(path: string): VulkanLoader {
  try {
    return koffi.load(path)
  } catch (cause) {
    throw new LabError(
      'DEVICE',
      `webgpu: no Vulkan loader (${path}); install one, on Debian with: apt-get install libvulkan1`,
      { cause },
    )
  }
}

/** All devices that speak Vulkan 1.2. */
export function vulkanDevices(loader: VulkanLoader): VulkanDevice[] {
  const create = loader.func('vkCreateInstance', 'int', ['void *', 'void *', 'void *'])
  const destroy = loader.func('vkDestroyInstance', 'void', ['void *', 'void *'])
  const enumerate = loader.func('vkEnumeratePhysicalDevices', 'int', ['void *', 'void *', 'void *'])
  const application = struct(structure.application, 48)
  application.view.setUint32(44, VULKAN_1_2, true)
  const info = struct(structure.instance, 64)
  info.view.setBigUint64(24, addressOf(application.bytes), true)
  const instance = new BigUint64Array(1)
  // no driver at all is no device, not an error
  if (create(info.bytes, null, instance) !== 0) return []
  try {
    const count = new Uint32Array(1)
    enumerate(instance[0], count, null)
    const handles = new BigUint64Array(count[0]!)
    enumerate(instance[0], count, handles)
    return [...handles].map(handle => describe(loader, handle)).filter(device => device !== null)
  } finally {
    destroy(instance[0], null)
  }
}

function describe(loader: VulkanLoader, device: bigint): VulkanDevice | null {
  const call = (name: string, target: Uint8Array) => loader.func(name, 'void', ['void *', 'void *'])(device, target)
  const plain = new Uint8Array(1024)
  call('vkGetPhysicalDeviceProperties', plain)
  // the chained structures below are of 1.2
  if (new DataView(plain.buffer).getUint32(offsets.api, true) < VULKAN_1_2) return null
  const subgroup = struct(structure.subgroup, 32)
  const driver = struct(structure.driver, 544, subgroup.bytes)
  const properties = struct(structure.properties, 1024, driver.bytes)
  call('vkGetPhysicalDeviceProperties2', properties.bytes)
  const storage16 = struct(structure.storage16, 32)
  const f16 = struct(structure.f16, 24, storage16.bytes)
  const features = struct(structure.features, 256, f16.bytes)
  call('vkGetPhysicalDeviceFeatures2', features.bytes)
  const at = (offset: number) => properties.view.getUint32(16 + offset, true)
  // shaderFloat16; storageBuffer16BitAccess and uniformAndStorageBuffer16BitAccess
  const f16Features = [f16.view.getUint32(16, true), ...[16, 20].map(offset => storage16.view.getUint32(offset, true))]
  return {
    name: text(properties.bytes, 16 + offsets.name),
    kind: kinds[at(offsets.kind)] ?? 'other',
    driver: [text(driver.bytes, 20), text(driver.bytes, 276)].filter(Boolean).join(' '),
    api: versionOf(at(offsets.api)),
    memoryBytes: biggestHeap(loader, device),
    maxBufferBytes: at(offsets.maxStorageBufferRange),
    sharedMemoryBytes: at(offsets.maxComputeSharedMemorySize),
    subgroupSize: subgroup.view.getUint32(16, true),
    hasF16: f16Features.every(feature => feature === 1),
    lacks: Object.keys(required).filter(name => features.view.getUint32(16 + 4 * required[name]!, true) === 0),
  }
}

/** VkPhysicalDeviceMemoryProperties: 32 memory types of 8 bytes behind a count, then heaps of 16 behind theirs. */
function biggestHeap(loader: VulkanLoader, device: bigint): number {
  const DEVICE_LOCAL = 1
  const memory = new Uint8Array(528)
  loader.func('vkGetPhysicalDeviceMemoryProperties', 'void', ['void *', 'void *'])(device, memory)
  const view = new DataView(memory.buffer)
  let biggest = 0
  for (let i = 0; i < view.getUint32(260, true); i++) {
    const at = 264 + 16 * i
    if (view.getUint32(at + 8, true) & DEVICE_LOCAL) biggest = Math.max(biggest, Number(view.getBigUint64(at, true)))
  }
  return biggest
}

/** A zeroed C structure of a type, with the next one of its chain. */
function struct(type: number, bytes: number, next?: Uint8Array): { bytes: Uint8Array; view: DataView } {
  const memory = new Uint8Array(bytes)
  const view = new DataView(memory.buffer)
  view.setUint32(0, type, true)
  if (next) view.setBigUint64(8, addressOf(next), true)
  return { bytes: memory, view }
}

function addressOf(bytes: Uint8Array): bigint {
  return BigInt(koffi.address(bytes))
}

function text(bytes: Uint8Array, from: number): string {
  return new TextDecoder().decode(bytes.subarray(from, bytes.indexOf(0, from)))
}

function versionOf(packed: number): string {
  return `${(packed >>> 22) & 0x7f}.${(packed >>> 12) & 0x3ff}.${packed & 0xfff}`
}
