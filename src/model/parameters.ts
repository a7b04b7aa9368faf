import type { ModelConfig } from './config.js'

/** The prefix of every parameter path of a block: `model.layers.4.`, with the final dot, so that 4 never matches 40. */
export function layerPrefix(layer: number): string {
  return `model.layers.${layer}.`
}

/** The linear layers of a block by the last part of their path, which is how adapters name what they change. */
export const linearNames = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const
export type LinearName = (typeof linearNames)[number]

const layerPattern = /^model\.layers\.(0|[1-9]\d*)\.(.+)$/

/** The block index and the path within the block, or null for paths outside the blocks. */
export function splitLayerPath(path: string): { layer: number; name: string } | null {
  const match = layerPattern.exec(path)
  return match ? { layer: Number(match[1]), name: match[2]! } : null
}

/** The block that a parameter path belongs to, or null (embeddings, final norm, head). */
export function layerOf(path: string): number | null {
  return splitLayerPath(path)?.layer ?? null
}

/** Name within the block and shape of each parameter of one block, in the order of transformers' `state_dict`. */
function blockShapes(config: ModelConfig): [string, number[]][] {
  const { hiddenSize, intermediateSize, headDim, qkvBias, oBias, mlpBias } = config
  const queryWidth = config.numAttentionHeads * headDim
  const keyValueWidth = config.numKeyValueHeads * headDim
  const linear = (name: string, rows: number, columns: number, bias: boolean): [string, number[]][] => [
    [`${name}.weight`, [rows, columns]],
    ...(bias ? [[`${name}.bias`, [rows]] as [string, number[]]] : []),
  ]
  return [
    ...linear('self_attn.q_proj', queryWidth, hiddenSize, qkvBias),
    ...linear('self_attn.k_proj', keyValueWidth, hiddenSize, qkvBias),
    ...linear('self_attn.v_proj', keyValueWidth, hiddenSize, qkvBias),
    ...linear('self_attn.o_proj', hiddenSize, queryWidth, oBias),
    ...(config.qkNorm
      ? ([
          ['self_attn.q_norm.weight', [headDim]],
          ['self_attn.k_norm.weight', [headDim]],
        ] as [string, number[]][])
      : []),
    ...linear('mlp.gate_proj', intermediateSize, hiddenSize, mlpBias),
    ...linear('mlp.up_proj', intermediateSize, hiddenSize, mlpBias),
    ...linear('mlp.down_proj', hiddenSize, intermediateSize, mlpBias),
    ['input_layernorm.weight', [hiddenSize]],
    ['post_attention_layernorm.weight', [hiddenSize]],
  ]
}

/**
 * Shape of every parameter by its Hugging Face path, in the order of transformers' `state_dict`. Linear weights are
 * (out, in). A tied head is not a parameter and is absent.
 */
export function parameterShapes(config: ModelConfig): Map<string, number[]> {
  const shapes = new Map<string, number[]>([['model.embed_tokens.weight', [config.vocabSize, config.hiddenSize]]])
  const block = blockShapes(config)
  for (let layer = 0; layer < config.numHiddenLayers; layer++)
    for (const [name, shape] of block) shapes.set(layerPrefix(layer) + name, [...shape])
  shapes.set('model.norm.weight', [config.hiddenSize])
  if (!config.tieWordEmbeddings) shapes.set('lm_head.weight', [config.vocabSize, config.hiddenSize])
  return shapes
}

/** Number of elements of a shape. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

/** Number of trained numbers in a model; a tied head counts once. */
export function parameterCount(config: ModelConfig): number {
  let total = 0
  for (const shape of parameterShapes(config).values()) total += elementCount(shape)
  return total
}
