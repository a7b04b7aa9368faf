import { LabError } from '../util/errors.js'
import { badField, type Fields, flag, nonNegativeInteger, positiveInteger } from './config-fields.js'
import type { ModelType } from './config-keys.js'

type Windows = (number | null)[]

function windowSize(fields: Fields): number | null {
  // an absent key means 4096 in transformers, an explicit null means no window
  return fields.raw['sliding_window'] === null ? null : positiveInteger(fields, 'sliding_window', 4096)
}

function parseLayerTypes(fields: Fields, numHiddenLayers: number): string[] | null {
  const value = fields.raw['layer_types'] ?? null
  if (value === null) return null
  const expected = `a list of ${numHiddenLayers} entries, each "full_attention" or "sliding_attention"`
  if (!Array.isArray(value) || value.length !== numHiddenLayers) throw badField(fields, 'layer_types', expected, value)
  for (const type of value as unknown[])
    if (type !== 'full_attention' && type !== 'sliding_attention') throw badField(fields, 'layer_types', expected, type)
  return value as string[]
}

function mistralWindows(fields: Fields, numHiddenLayers: number): Windows {
  const window = windowSize(fields)
  const effective = window === null ? 'full_attention' : 'sliding_attention'
  if (parseLayerTypes(fields, numHiddenLayers)?.some(type => type !== effective))
    throw new LabError(
      'CONFIG_UNSUPPORTED',
      `${fields.where}: "layer_types" mixes kinds of attention, but transformers gives every Mistral block ${effective}; use a Ministral checkpoint's own tools or remove the key.`,
    )
  return Array<number | null>(numHiddenLayers).fill(window)
}

function qwenWindows(fields: Fields, numHiddenLayers: number): Windows {
  const window = flag(fields, 'use_sliding_window', false) ? windowSize(fields) : null
  const layerTypes = parseLayerTypes(fields, numHiddenLayers)
  if (!layerTypes) {
    const first = nonNegativeInteger(fields, 'max_window_layers', 28)
    return Array.from({ length: numHiddenLayers }, (_, layer) => (layer >= first ? window : null))
  }
  if (window === null && layerTypes.includes('sliding_attention'))
    throw badField(fields, 'layer_types', 'without "sliding_attention" when no sliding window is in use', layerTypes)
  return layerTypes.map(type => (type === 'sliding_attention' ? window : null))
}

/**
 * The attention window of every block, in tokens (null = full causal attention), as transformers 5 applies it: Mistral to
 * all blocks; Qwen2 and Qwen3 only with `use_sliding_window`, to the blocks named by `layer_types` or else from
 * `max_window_layers` on; Llama never.
 */
export function parseSlidingWindows(fields: Fields, modelType: ModelType, numHiddenLayers: number): Windows {
  if (modelType === 'llama') return Array<null>(numHiddenLayers).fill(null)
  return modelType === 'mistral' ? mistralWindows(fields, numHiddenLayers) : qwenWindows(fields, numHiddenLayers)
}

/** The one window size that the blocks share, or null; config.json has no place for two. */
function sharedWindow(windows: Windows): number | null {
  const sizes = [...new Set(windows.filter(size => size !== null))]
  if (sizes.length > 1)
    throw new LabError(
      'CONFIG_UNSUPPORTED',
      `config.json holds one sliding window size, but the blocks have ${sizes.join(' and ')}.`,
    )
  return sizes[0] ?? null
}

function qwenFields(windows: Windows, raw: Record<string, unknown>): Record<string, unknown> {
  const window = sharedWindow(windows)
  const first = windows.findIndex(size => size !== null)
  const isSuffix = first < 0 || windows.slice(first).every(size => size !== null)
  const oldFirst = typeof raw['max_window_layers'] === 'number' ? raw['max_window_layers'] : 28
  return {
    ...(window === null ? { use_sliding_window: false } : { use_sliding_window: true, sliding_window: window }),
    max_window_layers: first < 0 ? Math.max(oldFirst, windows.length) : first,
    // a threshold cannot say which blocks slide when copies sit below their originals; the list can
    ...((raw['layer_types'] != null || !isSuffix) && {
      layer_types: windows.map(size => (size === null ? 'full_attention' : 'sliding_attention')),
    }),
  }
}

/** The fields of config.json that say `windows` for a family; the inverse of {@link parseSlidingWindows}. */
export function slidingWindowFields(
  windows: Windows,
  modelType: ModelType,
  raw: Record<string, unknown>,
): Record<string, unknown> {
  if (modelType === 'qwen2' || modelType === 'qwen3') return qwenFields(windows, raw)
  const window = sharedWindow(windows)
  const isMixed = window !== null && windows.includes(null)
  if (isMixed || (modelType === 'llama' && window !== null))
    throw new LabError(
      'CONFIG_UNSUPPORTED',
      `a ${modelType} config.json cannot say that single blocks have a sliding window.`,
    )
  if (modelType === 'llama') return {}
  const layerTypes = windows.map(size => (size === null ? 'full_attention' : 'sliding_attention'))
  return { sliding_window: window, ...(raw['layer_types'] != null && { layer_types: layerTypes }) }
}
