/** Tables of the rotary embedding: cosines and sines of every position's angles. */
import type { ModelConfig } from './config.js'

export interface RopeTables {
  /** `[positions, headDim/2]`, row-major. */
  readonly cos: Float32Array
  readonly sin: Float32Array
}

/**
 * Angular speed of each pair of elements, `[headDim/2]`: theta^(-2i/D), slowed down as the config's rope scaling says.
 * `llama3` leaves short wavelengths alone, divides long ones by `factor` and blends in between (Llama 3.1).
 */
export function inverseFrequencies(config: ModelConfig): Float64Array {
  const { headDim, ropeTheta, ropeScaling } = config
  const plain = Float64Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headDim))
  if (ropeScaling === null) return plain
  if (ropeScaling.ropeType === 'linear') return plain.map(f => f / ropeScaling.factor)
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings } = ropeScaling
  return plain.map(f => {
    const turns = (originalMaxPositionEmbeddings * f) / (2 * Math.PI)
    if (turns > highFreqFactor) return f
    if (turns < lowFreqFactor) return f / factor
    const smooth = (turns - lowFreqFactor) / (highFreqFactor - lowFreqFactor)
    return ((1 - smooth) * f) / factor + smooth * f
  })
}

/** Tables for positions 0..count-1. */
export function ropeTables(config: ModelConfig, count: number): RopeTables {
  const speeds = inverseFrequencies(config)
  const angles = Float64Array.from({ length: count * speeds.length }, (_, n) => {
    return Math.floor(n / speeds.length) * speeds[n % speeds.length]!
  })
  return { cos: Float32Array.from(angles, Math.cos), sin: Float32Array.from(angles, Math.sin) }
}
