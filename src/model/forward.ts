/**
 * The decoder of the Llama family, from token ids to hidden states and logits, as in LLaMA Pro (arXiv 2401.02415,
 * section 3.1):  x' = x + MHSA(RMSNorm(x)),  y = x' + FFN(RMSNorm(x')).
 *
 * Shapes: B batch, T time, C hidden, H query heads, K key/value heads, D head dim, N = B T, V vocabulary, S cache length.
 */
import type { Tensor } from '../tensor/graph.js'
import { fromHost, iota } from '../tensor/leaf.js'
import { attention } from '../tensor/ops/attention.js'
import { add, cast, mul } from '../tensor/ops/elementwise.js'
import { gather, lookup, update } from '../tensor/ops/indexing.js'
import { matmul } from '../tensor/ops/matmul.js'
import { permute, reshape } from '../tensor/ops/movement.js'
import { rmsNorm } from '../tensor/ops/rms-norm.js'
import { rotary } from '../tensor/ops/rotary.js'
import { swiglu } from '../tensor/ops/silu.js'
import { remat } from '../tensor/remat.js'
import { internal } from '../util/errors.js'
import type { ModelConfig } from './config.js'
import { layerPrefix } from './parameters.js'
import { ropeTables } from './rope.js'
import type { Weights } from './weights.js'

export type { Weights }

/** Keys and values of earlier tokens of one block, each `[B, K, S, D]`. */
export interface LayerCache {
  readonly key: Tensor
  readonly value: Tensor
}

export interface ForwardOptions {
  /** Factor on both residual contributions of a block, a scalar; 1 where absent. 0 takes the block out exactly. */
  gates?: ReadonlyMap<number, Tensor>
  /** Blocks that are left out: the stream passes them as it is. What a gate of 0 comes to, at no cost; not with `caches`. */
  without?: ReadonlySet<number>
  /** Compute each block again in the backward pass instead of keeping its activations (default false). */
  rematBlocks?: boolean
  /** One per block, with the position of the first token (i32 scalar) as `start`; the result then has `caches`. */
  caches?: { readonly layers: readonly LayerCache[]; readonly start: Tensor }
}

export interface ForwardResult {
  /** `[N, C]`, after the final norm. */
  readonly hidden: Tensor
  /** The residual stream `[N, C]` before block 0, between blocks, and after the last one: L + 1 entries. */
  readonly stream: readonly Tensor[]
  /** The stream inside each block, `[N, C]`: after attention was added, before the MLP; empty with `rematBlocks`. */
  readonly middle: readonly Tensor[]
  /** The caches with this call's keys and values written in; empty without caches. */
  readonly caches: readonly LayerCache[]
}

interface Step {
  readonly config: ModelConfig
  readonly weights: Weights
  readonly B: number
  readonly T: number
  readonly cos: Tensor
  readonly sin: Tensor
  readonly start: Tensor | null
}

/**
 * Runs the decoder over token ids `[B, T]` (i32).
 * @param weights parameters by HF path; those stored in 16 bits are cast to f32 where they are used
 */
export function forward(
  config: ModelConfig,
  weights: Weights,
  ids: Tensor,
  options: ForwardOptions = {},
): ForwardResult {
  const [B, T] = ids.shape as [number, number]
  const { gates, without, rematBlocks = false, caches } = options
  if (without && caches) throw internal('blocks are left out where there are caches')
  const step: Step = { config, weights, B, T, start: caches?.start ?? null, ...rotation(config, T, caches) }
  const paddingId = config.padTokenId
  let x = cast(lookup(weights('model.embed_tokens.weight'), reshape(ids, [B * T]), { paddingId }), 'f32')
  const stream = [x]
  const middle: Tensor[] = []
  const written: LayerCache[] = []
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    const gate = gates?.get(layer)
    const cache = caches?.layers[layer]
    if (without?.has(layer)) {
      if (!rematBlocks) middle.push(x)
    } else if (rematBlocks && !cache) {
      x = remat(h => [block(step, layer, h, gate).out], [x])[0]!
    } else {
      const result = block(step, layer, x, gate, cache)
      if (result.cache) written.push(result.cache)
      middle.push(result.middle)
      x = result.out
    }
    stream.push(x)
  }
  const hidden = rmsNorm(x, parameter(step, 'model.norm.weight'), config.rmsNormEps)
  return { hidden, stream, middle, caches: written }
}

/** The output head: `lm_head.weight`, or the embedding matrix when tied. `[V, C]`, f32. */
export function headWeight(config: ModelConfig, weights: Weights): Tensor {
  return cast(weights(config.tieWordEmbeddings ? 'model.embed_tokens.weight' : 'lm_head.weight'), 'f32')
}

/** Next-token logits `[N, V]` of hidden states `[N, C]`. */
export function logitsOf(config: ModelConfig, weights: Weights, hidden: Tensor): Tensor {
  return matmul(hidden, headWeight(config, weights), { transB: true })
}

function block(
  step: Step,
  layer: number,
  x: Tensor,
  gate?: Tensor,
  cache?: LayerCache,
): { out: Tensor; middle: Tensor; cache?: LayerCache } {
  const { config } = step
  const prefix = layerPrefix(layer)
  const normed = rmsNorm(x, parameter(step, `${prefix}input_layernorm.weight`), config.rmsNormEps)
  const { out: attended, cache: next } = selfAttention(step, layer, normed, cache)
  const middle = add(x, gated(attended, gate))
  const normedAgain = rmsNorm(middle, parameter(step, `${prefix}post_attention_layernorm.weight`), config.rmsNormEps)
  const out = add(middle, gated(feedForward(step, prefix, normedAgain), gate))
  return next ? { out, middle, cache: next } : { out, middle }
}

function gated(contribution: Tensor, gate: Tensor | undefined): Tensor {
  return gate ? mul(contribution, gate) : contribution
}

/** Causal grouped-query attention over normed states `[N, C]`. */
function selfAttention(step: Step, layer: number, x: Tensor, cache?: LayerCache): { out: Tensor; cache?: LayerCache } {
  const { config, B, T, start } = step
  const prefix = `${layerPrefix(layer)}self_attn.`
  const { numAttentionHeads: H, numKeyValueHeads: K, headDim: D } = config
  const q = rotary(heads(step, `${prefix}q`, x, H), step.cos, step.sin)
  const k = rotary(heads(step, `${prefix}k`, x, K), step.cos, step.sin)
  const v = heads(step, `${prefix}v`, x, K)
  const window = config.slidingWindows[layer] ?? null
  const join = (o: Tensor) => linear(step, `${prefix}o_proj`, reshape(permute(o, [0, 2, 1, 3]), [B * T, H * D]))
  if (!cache || !start) return { out: join(attention(q, k, v, { window })) }
  const positions = add(iota(T), start)
  const next = { key: update(cache.key, k, positions, 2), value: update(cache.value, v, positions, 2) }
  return { out: join(attention(q, next.key, next.value, { window, start })), cache: next }
}

/** A projection split into heads: `[N, C]` -> `[B, heads, T, D]`; q and k are normed per head in Qwen3. */
function heads(step: Step, path: string, x: Tensor, count: number): Tensor {
  const { config, B, T } = step
  const split = reshape(linear(step, `${path}_proj`, x), [B, T, count, config.headDim])
  const isNormed = config.qkNorm && !path.endsWith('.v')
  const normed = isNormed ? rmsNorm(split, parameter(step, `${path}_norm.weight`), config.rmsNormEps) : split
  return permute(normed, [0, 2, 1, 3])
}

/** SwiGLU: down(silu(gate(x)) * up(x)). */
function feedForward(step: Step, prefix: string, x: Tensor): Tensor {
  const mlp = `${prefix}mlp.`
  return linear(step, `${mlp}down_proj`, swiglu(linear(step, `${mlp}gate_proj`, x), linear(step, `${mlp}up_proj`, x)))
}

/** x W^T + b, with the bias where the family has one, and with what an adapter makes of it. */
function linear(step: Step, path: string, x: Tensor): Tensor {
  const { config, weights } = step
  const product = matmul(x, parameter(step, `${path}.weight`), { transB: true })
  const plain = hasBias(config, path) ? add(product, parameter(step, `${path}.bias`)) : product
  return weights.adapter?.project(path, { x, plain, weights }) ?? plain
}

function hasBias({ qkvBias, oBias, mlpBias }: ModelConfig, path: string): boolean {
  if (path.includes('.mlp.')) return mlpBias
  return path.endsWith('o_proj') ? oBias : qkvBias
}

function parameter(step: Step, path: string): Tensor {
  return cast(step.weights(path), 'f32')
}

/** Cosines and sines of this call's positions, `[T, D/2]`: the first T rows, or those from `start` on. */
function rotation(config: ModelConfig, T: number, caches: ForwardOptions['caches']): { cos: Tensor; sin: Tensor } {
  const count = caches ? caches.layers[0]!.key.shape[2]! : T
  const tables = ropeTables(config, count)
  const table = (values: Float32Array) => fromHost(values, [count, config.headDim / 2], 'f32')
  if (!caches) return { cos: table(tables.cos), sin: table(tables.sin) }
  const positions = add(iota(T), caches.start)
  return { cos: gather(table(tables.cos), positions), sin: gather(table(tables.sin), positions) }
}
