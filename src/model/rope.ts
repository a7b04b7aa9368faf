/** Tables of the rotary embedding: cosines and sines of every position's angles. */
import type { ModelConfig } from './config.js'

export interface RopeTables {
  /** `[positions, headDim/2]`, row-major. */
  readonly cos: Float32Array
  readonly sin: Float32Array
}

/** Every step rounds to f32 as transformers does: at position 4000 an angle differs from the exact one by 1e-4, and models are trained on the rounded ones. */
const { fround } = Math

/**
 * Angular speed of each pair of elements, `[headDim/2]`: theta^(-2i/D), slowed down as the config's rope scaling says.
 * `llama3` leaves short wavelengths alone, divides long ones by `factor` and blends in between (Llama 3.1).
 */
export function inverseFrequencies(config: ModelConfig): Float32Array {
  const { headDim, ropeTheta, ropeScaling } = config
  const plain = Float32Array.from({ length: headDim / 2 }, (_, i) => 1 / fround(ropeTheta ** fround((2 * i) / headDim)))
  if (ropeScaling === null) return plain
  if (ropeScaling.ropeType === 'linear') return plain.map(f => f / ropeScaling.factor)
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings: context } = ropeScaling
  return plain.map(f => {
    const wavelength = fround((2 * Math.PI) / f)
    if (wavelength < context / highFreqFactor) return f
    if (wavelength > context / lowFreqFactor) return f / factor
    const smooth = fround(fround(fround(context / wavelength) - lowFreqFactor) / (highFreqFactor - lowFreqFactor))
    return fround(fround(fround(1 - smooth) * f) / factor) + fround(smooth * f)
  })
}

/** Tables for positions 0..count-1. */
export function ropeTables(config: ModelConfig, count: number): RopeTables {
  const speeds = inverseFrequencies(config)
  const angles = Float32Array.from({ length: count * speeds.length }, (_, n) => {
    return Math.floor(n / speeds.length) * speeds[n % speeds.length]!
  })
  return { cos: angles.map(Math.cos), sin: angles.map(Math.sin) }
}
