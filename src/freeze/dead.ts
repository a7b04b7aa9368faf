import type { Provenance } from '../expansion/provenance.js'
import { layerPrefix, splitLayerPath } from '../model/parameters.js'
import { LabError } from '../util/errors.js'

/** The two halves of a block: the projection that writes each to the residual stream, and what feeds it. */
const halves = [
  { name: 'attention', projection: 'self_attn.o_proj.weight', feeds: /^(input_layernorm|self_attn\.(?!o_proj\.))/ },
  {
    name: 'feed-forward',
    projection: 'mlp.down_proj.weight',
    feeds: /^(post_attention_layernorm|mlp\.(?!down_proj\.))/,
  },
] as const

/** Something in the selection that cannot learn, though the run can go on. */
export interface DeadWarning {
  /** `half`: one half of the blocks stays zero. `idle`: the blocks are not trained and stay identities. */
  kind: 'half' | 'idle'
  half: 'attention' | 'feed-forward' | null
  layers: number[]
  /** Trainable parameters that will never have a gradient. */
  deadPaths: string[]
  message: string
}

export interface DeadOptions {
  /**
   * Whether a projection is still all zeros; default: every tensor that provenance says was zeroed. Give the truth for a
   * model that was trained after its expansion.
   */
  isZero?: (path: string) => boolean
}

interface BlockState {
  index: number
  trainable: string[]
  /** Halves whose projection is zero and frozen, with their trainable parameters. */
  dead: { half: (typeof halves)[number]['name']; paths: string[] }[]
}

function stateOf(index: number, trainable: Set<string>, isZero: (path: string) => boolean): BlockState {
  const own = [...trainable].filter(path => splitLayerPath(path)?.layer === index)
  const dead = halves
    .filter(({ projection }) => {
      const path = layerPrefix(index) + projection
      return isZero(path) && !trainable.has(path)
    })
    .map(({ name, feeds }) => ({ half: name, paths: own.filter(path => feeds.test(splitLayerPath(path)!.name)) }))
  return { index, trainable: own, dead }
}

function named(layers: number[]): string {
  return `${layers.length === 1 ? 'block' : 'blocks'} ${layers.join(', ')}`
}

function halfWarnings(states: BlockState[]): DeadWarning[] {
  return halves.flatMap(({ name, projection }) => {
    const found = states.flatMap(state =>
      state.dead.filter(({ half }) => half === name).map(({ paths }) => ({ index: state.index, paths })),
    )
    if (found.length === 0) return []
    const layers = found.map(({ index }) => index)
    const deadPaths = found.flatMap(({ paths }) => paths)
    const message = `${named(layers)}: ${projection} is zero and frozen, so the ${name} half stays zero${deadPaths.length > 0 ? ` and its ${deadPaths.length} trainable parameters never get a gradient` : ''}; train ${projection} too to use it.`
    return [{ kind: 'half' as const, half: name, layers, deadPaths, message }]
  })
}

/**
 * Finds what cannot learn in a selection of trainable parameters. A new block starts with zero `o_proj` and `down_proj`;
 * the gradient of everything before such a matrix passes through it and is zero until it moves. With neither of the two
 * trainable the block can never learn (consequence of LLaMA Pro, section 3.2); with one of them, the other half stays zero.
 *
 * @returns warnings: halves that stay zero, new blocks that are not trained at all
 * @throws LabError FREEZE_DEAD when all trainable parameters of some new block can never have a gradient
 */
export function checkDead(
  trainable: Iterable<string>,
  provenance: Provenance | null,
  options: DeadOptions = {},
): DeadWarning[] {
  if (!provenance) return []
  const zeroed = new Set(provenance.layers.flatMap(block => block.zeroed))
  const { isZero = path => zeroed.has(path) } = options
  const paths = new Set(trainable)
  const states = provenance.layers.map(({ index }) => stateOf(index, paths, isZero))
  const trained = states.filter(state => state.trainable.length > 0)
  const dead = trained.filter(state => state.dead.flatMap(half => half.paths).length === state.trainable.length)
  if (dead.length > 0)
    throw new LabError(
      'FREEZE_DEAD',
      `new ${named(dead.map(state => state.index))} can never learn: the trainable parameters all feed a projection that is zero and frozen, so their gradient is zero for ever. Train self_attn.o_proj.weight or mlp.down_proj.weight of the block (better both), or freeze it whole.`,
    )
  // an untrained block is no loss when it has learned already, only when it is still the identity it was made as
  const idle = states.filter(state => state.trainable.length === 0 && state.dead.length === halves.length)
  const layers = idle.map(state => state.index)
  const message = `new ${named(layers)}: nothing is trained, so the output stays the input.`
  const idleWarnings: DeadWarning[] =
    idle.length > 0 ? [{ kind: 'idle', half: null, layers, deadPaths: [], message }] : []
  return [...halfWarnings(trained), ...idleWarnings]
}
