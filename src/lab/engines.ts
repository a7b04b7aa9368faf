import { OnnxEngine } from '../engines/onnx/engine.js'
import { ReferenceEngine } from '../engines/reference/engine.js'
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
}

/** Names that `--device` takes: `cpu` (onnxruntime, f32) and `reference` (float64 loops, slow and exact). */
export const devices: readonly string[] = Object.keys(makers)

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
