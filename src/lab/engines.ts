import { OnnxEngine } from '../engines/onnx/engine.js'
import { ReferenceEngine } from '../engines/reference/engine.js'
import { tfjsDevices, tfjsEngine } from '../engines/tfjs/start.js'
import { TorchEngine } from '../engines/torch/engine.js'
import { type WebGpuDevice, webGpuDevices } from '../engines/webgpu/adapter.js'
import { webGpuEngine } from '../engines/webgpu/start.js'
import { type Engine, type Precision, setDefaultEngineFactory } from '../tensor/engine.js'
import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'

export interface EngineOptions {
  /** Threads that compute; default `LLAMA_PRO_THREADS`, else one a core. */
  threads?: number
  /** Default `f32`; `bf16` on the torch devices, `f16` on the webgpu devices. */
  precision?: Precision
  /** Torch devices: run programs line by line instead of through torch.compile (default false). */
  torchEager?: boolean
}

const torchDevices = ['torch:cpu', 'torch:cuda', 'torch:mps']

const makers: Record<string, (options: EngineOptions) => Engine> = {
  cpu: ({ threads }) => new OnnxEngine(threads === undefined ? {} : { threads }),
  reference: () => new ReferenceEngine(),
  ...Object.fromEntries(webGpuDevices.map(device => [device, options => gpuEngine(device, options)])),
  ...Object.fromEntries(tfjsDevices.map(device => [device, () => tfjsEngine(device)])),
  ...Object.fromEntries(torchDevices.map(name => [name, options => torchEngine(name.slice('torch:'.length), options)])),
}

function torchEngine(device: string, { threads, precision = 'f32', torchEager = false }: EngineOptions): Engine {
  if (precision === 'f16') throw notSupported(`torch:${device}`, precision)
  const compile = torchEager ? 'never' : 'auto'
  return new TorchEngine({ device, precision, compile, ...(threads === undefined ? {} : { threads }) })
}

function gpuEngine(device: WebGpuDevice, { threads, precision = 'f32' }: EngineOptions): Engine {
  if (precision === 'bf16') throw notSupported(device, precision)
  return webGpuEngine(device, { precision, ...(threads === undefined ? {} : { threads }) })
}

/** The devices that have the arithmetic. */
const devicesWith: Record<Exclude<Precision, 'f32'>, readonly string[]> = { bf16: torchDevices, f16: webGpuDevices }

function notSupported(device: string, precision: Exclude<Precision, 'f32'>): LabError {
  return new LabError(
    'PRECISION',
    `precision ${precision} is not supported on ${device}; set precision: f32, or take one of ${devicesWith[precision].join(', ')}`,
  )
}

/**
 * Names that `--device` takes: `cpu` (onnxruntime, f32), `reference` (float64 loops, slow and exact), `webgpu` (onnxruntime
 * on a GPU, f32 or f16), `webgpu:swiftshader` and `webgpu:lavapipe` (the same on a GPU in software, for tests), `tfjs`
 * (tfjs-core's wasm kernels, one thread), `tfjs:cpu` (its plain JavaScript), `tfjs:node` and `tfjs-gpu` (TensorFlow's native
 * library), `torch:cpu`, `torch:cuda` (ROCm too) and `torch:mps` (the user's own PyTorch).
 */
export const devices: readonly string[] = Object.keys(makers)

/** Those of {@link devices} that need more than this package brings along. */
export const optionalDevices: readonly string[] = [...webGpuDevices, 'tfjs:node', 'tfjs-gpu', ...torchDevices]

/**
 * Starts an engine. The caller disposes it.
 * @throws LabError DEVICE for an unknown name, with the nearest one; PRECISION for arithmetic that the device cannot do
 */
export function createEngine(device = 'cpu', options: EngineOptions = {}): Engine {
  const maker = makers[device]
  if (!maker)
    throw new LabError(
      'DEVICE',
      `unknown device "${device}"; known are ${devices.join(', ')}.${didYouMean(device, devices)}`,
    )
  const { precision = 'f32' } = options
  if (precision !== 'f32' && !devicesWith[precision].includes(device)) throw notSupported(device, precision)
  return maker(options)
}

// `await t.data()` in a cell needs no ceremony: the first tensor that is computed without naming an engine starts this one
setDefaultEngineFactory(() => createEngine())
