import { OnnxEngine } from '../engines/onnx/engine.js'
import { ReferenceEngine } from '../engines/reference/engine.js'
import { tfjsDevices, tfjsEngine } from '../engines/tfjs/start.js'
import { type Engine, setDefaultEngineFactory } from '../tensor/engine.js'
import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'

export interface EngineOptions {
  /** Threads that compute; default one a core. */
  threads?: number
}

const makers: Record<string, (options: EngineOptions) => Engine> = {
  cpu: ({ threads }) => new OnnxEngine(threads === undefined ? {} : { threads }),
  reference: () => new ReferenceEngine(),
  ...Object.fromEntries(tfjsDevices.map(device => [device, () => tfjsEngine(device)])),
}

/**
 * Names that `--device` takes: `cpu` (onnxruntime, f32), `reference` (float64 loops, slow and exact), `tfjs` (tfjs-core's
 * wasm kernels, one thread), `tfjs:cpu` (its plain JavaScript), `tfjs:node` and `tfjs-gpu` (TensorFlow's native library).
 */
export const devices: readonly string[] = Object.keys(makers)

/** Those of {@link devices} that need more than this package brings along. */
export const optionalDevices: readonly string[] = ['tfjs:node', 'tfjs-gpu']

/**
 * Starts an engine. The caller disposes it.
 * @throws LabError DEVICE for an unknown name, with the nearest one
 */
export function createEngine(device = 'cpu', options: EngineOptions = {}): Engine {
  const maker = makers[device]
  if (!maker)
    throw new LabError(
      'DEVICE',
      `unknown device "${device}"; known are ${devices.join(', ')}.${didYouMean(device, devices)}`,
    )
  return maker(options)
}

// `await t.data()` in a cell needs no ceremony: the first tensor that is computed without naming an engine starts this one
setDefaultEngineFactory(() => createEngine())
