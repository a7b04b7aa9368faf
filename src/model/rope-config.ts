import { LabError } from '../util/errors.js'
import { badField, type Fields, isRecord, positiveInteger, positiveNumber } from './config-fields.js'

/**
 * How rotary frequencies are stretched beyond the context of pretraining. `linear` divides every frequency by `factor`;
 * `llama3` divides only the low ones and blends between the two wavelength bounds (transformers, `rope_type: "llama3"`).
 */
export type RopeScaling =
  | {
      ropeType: 'llama3'
      factor: number
      lowFreqFactor: number
      highFreqFactor: number
      originalMaxPositionEmbeddings: number
    }
  | { ropeType: 'linear'; factor: number }

export interface Rope {
  ropeTheta: number
  ropeScaling: RopeScaling | null
}

const keysByType: Record<string, string[]> = {
  default: [],
  linear: ['factor'],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
}
const commonKeys = ['rope_type', 'type', 'rope_theta', 'partial_rotary_factor']

function ropeTypeOf(rope: Fields): string {
  const { rope_type: newName, type: oldName } = rope.raw
  if (newName != null && oldName != null && newName !== oldName)
    throw badField(rope, 'rope_type', `equal to "type" (${JSON.stringify(oldName)})`, newName)
  const value = newName ?? oldName ?? 'default'
  if (typeof value !== 'string' || !Object.hasOwn(keysByType, value))
    throw new LabError(
      'CONFIG_UNSUPPORTED',
      `${rope.where}: rope_type ${JSON.stringify(value)} is not supported; supported are default, linear and llama3.`,
    )
  return value
}

function checkRopeKeys(rope: Fields, ropeType: string): void {
  const known = [...commonKeys, ...keysByType[ropeType]!]
  for (const [key, value] of Object.entries(rope.raw)) {
    if (value === null || known.includes(key)) continue
    throw new LabError(
      'CONFIG_UNSUPPORTED',
      `${rope.where}: "${key}": ${JSON.stringify(value).slice(0, 120)} is not supported with rope_type "${ropeType}".`,
    )
  }
  const partial = rope.raw['partial_rotary_factor'] ?? 1
  if (partial !== 1)
    throw new LabError(
      'CONFIG_UNSUPPORTED',
      `${rope.where}: "partial_rotary_factor": ${JSON.stringify(partial)} is not supported: every head is rotated whole.`,
    )
}

function parseRopeObject(config: Fields, key: string, ropeTheta: number | undefined): Rope {
  const raw = config.raw[key]
  if (!isRecord(raw)) throw badField(config, key, 'an object or null', raw)
  const rope: Fields = { raw, where: `${config.where}: "${key}"` }
  const ropeType = ropeTypeOf(rope)
  checkRopeKeys(rope, ropeType)
  const theta = positiveNumber(rope, 'rope_theta', ropeTheta ?? 10000)
  if (ropeTheta !== undefined && theta !== ropeTheta)
    throw badField(rope, 'rope_theta', `equal to the top-level "rope_theta" (${ropeTheta})`, theta)
  return { ropeTheta: theta, ropeScaling: parseScaling(config, rope, ropeType) }
}

function parseScaling(config: Fields, rope: Fields, ropeType: string): RopeScaling | null {
  if (ropeType === 'default') return null
  const factor = positiveNumber(rope, 'factor')
  if (factor < 1) throw badField(rope, 'factor', 'at least 1', factor)
  if (ropeType === 'linear') return { ropeType: 'linear', factor }
  const lowFreqFactor = positiveNumber(rope, 'low_freq_factor')
  const highFreqFactor = positiveNumber(rope, 'high_freq_factor')
  if (highFreqFactor <= lowFreqFactor)
    throw badField(rope, 'high_freq_factor', `greater than low_freq_factor (${lowFreqFactor})`, highFreqFactor)
  // transformers lets the top-level key win over the one inside, and falls back to max_position_embeddings
  const outer = config.raw['original_max_position_embeddings']
  const originalMaxPositionEmbeddings =
    outer == null
      ? positiveInteger(rope, 'original_max_position_embeddings', positiveInteger(config, 'max_position_embeddings'))
      : positiveInteger(config, 'original_max_position_embeddings')
  return { ropeType: 'llama3', factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings }
}

/**
 * Reads the rotary settings in either dialect: `rope_theta` + `rope_scaling` (transformers 4) or `rope_parameters`
 * (transformers 5). Defaults: theta 10000, no scaling.
 *
 * @throws LabError CONFIG_UNSUPPORTED for other rope types, CONFIG_INVALID when the two dialects contradict each other
 */
export function parseRope(config: Fields): Rope {
  const theta = config.raw['rope_theta'] == null ? undefined : positiveNumber(config, 'rope_theta')
  const found = ['rope_parameters', 'rope_scaling'].filter(key => config.raw[key] != null)
  const [first, second] = found.map(key => parseRopeObject(config, key, theta))
  if (second && JSON.stringify(first) !== JSON.stringify(second))
    throw new LabError(
      'CONFIG_INVALID',
      `${config.where}: "rope_parameters" and "rope_scaling" contradict each other; keep the one that the model was trained with.`,
    )
  return first ?? { ropeTheta: theta ?? 10000, ropeScaling: null }
}

/** The fields of config.json that say `rope`, in the dialect that `raw` speaks (transformers 4 when it speaks none). */
export function ropeFields(rope: Rope, raw: Record<string, unknown>): Record<string, unknown> {
  const scaling: Record<string, unknown> | null = rope.ropeScaling && {
    rope_type: rope.ropeScaling.ropeType,
    factor: rope.ropeScaling.factor,
    ...(rope.ropeScaling.ropeType === 'llama3' && {
      low_freq_factor: rope.ropeScaling.lowFreqFactor,
      high_freq_factor: rope.ropeScaling.highFreqFactor,
      original_max_position_embeddings: rope.ropeScaling.originalMaxPositionEmbeddings,
    }),
  }
  const originalKey = 'original_max_position_embeddings'
  const outer = raw[originalKey] != null && { [originalKey]: scaling?.[originalKey] ?? null }
  if (raw['rope_parameters'] == null) return { rope_theta: rope.ropeTheta, rope_scaling: scaling, ...outer }
  const parameters = { rope_type: 'default', ...scaling, rope_theta: rope.ropeTheta }
  return {
    rope_parameters: parameters,
    // a file that speaks both dialects must not contradict itself
    ...(raw['rope_theta'] != null && { rope_theta: rope.ropeTheta }),
    ...(raw['rope_scaling'] != null && { rope_scaling: parameters }),
    ...outer,
  }
}
