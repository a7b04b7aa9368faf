import type { ModelConfig } from '../model/config.js'
import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'

/**
 * Where new blocks go. `interleaved` is the paper's way: copies of the top blocks of every group, stacked on the group.
 * `prefix` and `suffix` are its two ablations (table 5): all copies below the first or above the last block. `at`:
 * positions chosen one by one. `custom`: a plan that was edited after planning.
 */
export type Placement = 'interleaved' | 'prefix' | 'suffix' | 'at' | 'custom'

/** One block of the expanded model. */
export interface PlannedLayer {
  /** Index after expansion. */
  layer: number
  /** Index of the block of the given model that it is (old) or is copied from (new). */
  sourceLayer: number
  isNew: boolean
}

/** A plain value that says what every block of the expanded model will be; print it, draw it, edit `layers`, keep it as JSON. */
export interface ExpansionPlan {
  baseNumHiddenLayers: number
  numHiddenLayers: number
  placement: Placement
  /** N of the paper; null when positions were given. */
  groups: number | null
  /** P of the paper; null when positions were given. */
  copies: number | null
  /** One entry per block of the expanded model, from the bottom up. */
  layers: PlannedLayer[]
  /** What a reader should know about the plan: uneven groups, the meaning of a placement. */
  notes: string[]
}

export interface ExpansionOptions {
  /** N: number of groups that the blocks are split into. Required unless `at` is given. */
  groups?: number
  /** P: copies per group; default 1. */
  copies?: number
  /** Default `interleaved`. */
  placement?: 'interleaved' | 'prefix' | 'suffix'
  /**
   * Explicit positions instead of groups: the indices that the new blocks have after expansion. Each copies the nearest
   * old block below it; position 0 copies block 0.
   */
  at?: number[]
}

function badPlan(message: string): LabError {
  return new LabError('EXPANSION_PLAN', message)
}

function checkCount(name: string, value: unknown): asserts value is number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
    throw badPlan(`"${name}" must be a positive integer, got ${JSON.stringify(value)}.`)
}

function checkOptions(options: ExpansionOptions): void {
  const known = ['groups', 'copies', 'placement', 'at']
  for (const key of Object.keys(options))
    if (!known.includes(key)) throw badPlan(`unknown option "${key}" of an expansion plan.${didYouMean(key, known)}`)
  if (options.at !== undefined) {
    const other = (['groups', 'copies', 'placement'] as const).find(key => options[key] !== undefined)
    if (other) throw badPlan(`give either "at" or "${other}", not both: "at" already says where every new block goes.`)
    return
  }
  if (options.groups === undefined)
    throw badPlan(
      'give "groups" (the number of groups, one or more new blocks each) or "at" (the positions of the new blocks).',
    )
  const placements = ['interleaved', 'prefix', 'suffix']
  const { placement = 'interleaved' } = options
  if (!placements.includes(placement))
    throw badPlan(
      `placement "${placement}" is not one of ${placements.join(', ')}.${didYouMean(String(placement), placements)}`,
    )
}

/** Sizes of `groups` groups of `total` blocks that differ by at most one; the larger ones are spread evenly. */
export function groupSizes(total: number, groups: number): number[] {
  const bound = (g: number) => Math.floor((g * total) / groups)
  return Array.from({ length: groups }, (_, g) => bound(g + 1) - bound(g))
}

type Block = Omit<PlannedLayer, 'layer'>
const range = (start: number, end: number): number[] => Array.from({ length: end - start }, (_, i) => start + i)
const old = (sourceLayer: number): Block => ({ sourceLayer, isNew: false })
const copy = (sourceLayer: number): Block => ({ sourceLayer, isNew: true })

function interleaved(total: number, groups: number, copies: number): Block[] {
  const blocks: Block[] = []
  let end = 0
  for (const size of groupSizes(total, groups)) {
    const start = end
    end += size
    blocks.push(...range(start, end).map(old), ...range(end - copies, end).map(copy))
  }
  return blocks
}

function stacked(total: number, count: number, placement: 'prefix' | 'suffix'): Block[] {
  const olds = range(0, total).map(old)
  return placement === 'prefix'
    ? [...range(0, count).map(copy), ...olds]
    : [...olds, ...range(total - count, total).map(copy)]
}

function positioned(total: number, at: number[]): Block[] {
  const length = total + at.length
  if (!Array.isArray(at) || at.length === 0) throw badPlan('"at" must list the position of at least one new block.')
  for (const [i, position] of at.entries()) {
    if (!Number.isSafeInteger(position) || position < 0 || position >= length)
      throw badPlan(
        `position ${position} in "at" is out of range: ${total} blocks and ${at.length} new ones have positions 0 to ${length - 1}.`,
      )
    if (at.indexOf(position) !== i) throw badPlan(`position ${position} occurs twice in "at".`)
  }
  const isNew = new Set(at)
  let next = 0
  return range(0, length).map(layer => (isNew.has(layer) ? copy(Math.max(0, next - 1)) : old(next++)))
}

function grouped(total: number, { groups, copies = 1, placement = 'interleaved' }: ExpansionOptions): Block[] {
  checkCount('groups', groups)
  checkCount('copies', copies)
  if (groups > total)
    throw badPlan(`${groups} groups cannot be made of ${total} blocks; choose at most ${total} groups.`)
  const smallest = Math.min(...groupSizes(total, groups))
  if (placement === 'interleaved') {
    if (copies > smallest)
      throw badPlan(
        `${copies} copies per group cannot be taken from groups of ${smallest} blocks; choose at most ${smallest} copies or fewer groups.`,
      )
    return interleaved(total, groups, copies)
  }
  if (groups * copies > total)
    throw badPlan(
      `${groups} x ${copies} copies cannot be taken from ${total} blocks; choose at most ${total} new blocks.`,
    )
  return stacked(total, groups * copies, placement)
}

function notesOn(total: number, { groups, copies = 1, placement = 'interleaved', at }: ExpansionOptions): string[] {
  if (at !== undefined) return ['Each new block copies the nearest old block below it.']
  const count = groups! * copies
  if (placement === 'prefix')
    return [`The new blocks are copies of the first ${count} blocks, in their order, below all old ones.`]
  if (placement === 'suffix')
    return [`The new blocks are copies of the last ${count} blocks, in their order, above all old ones.`]
  if (total % groups! === 0) return []
  return [
    `${total} blocks do not divide into ${groups} equal groups; their sizes, from the bottom up, are ${groupSizes(total, groups!).join(', ')}.`,
  ]
}

/**
 * Plans a block expansion (LLaMA Pro, arXiv 2401.02415, section 3.2): L blocks in N groups, and on top of each group
 * identity copies of its top P blocks in their order, so that L' = L + N P. When N does not divide L the group sizes
 * differ by at most one (the paper is silent) and `notes` says so. `prefix` and `suffix` put N P copies of the first or
 * last blocks below or above all others (the paper does not say which blocks its ablation copied); `at` puts one new
 * block at each given index.
 *
 * @throws LabError EXPANSION_PLAN
 */
export function planExpansion(config: Pick<ModelConfig, 'numHiddenLayers'>, options: ExpansionOptions): ExpansionPlan {
  checkOptions(options)
  const total = config.numHiddenLayers
  const { at, groups, copies = 1, placement = 'interleaved' } = options
  const blocks = at === undefined ? grouped(total, options) : positioned(total, at)
  return {
    baseNumHiddenLayers: total,
    numHiddenLayers: blocks.length,
    placement: at === undefined ? placement : 'at',
    groups: at === undefined ? groups! : null,
    copies: at === undefined ? copies : null,
    layers: blocks.map((block, layer) => ({ layer, ...block })),
    notes: notesOn(total, options),
  }
}

/** Indices of the new blocks after expansion, ascending. */
export function newLayersOf(plan: ExpansionPlan): number[] {
  return plan.layers.filter(block => block.isNew).map(block => block.layer)
}

/** The placement that the layers of a plan really have: `custom` when they are not those that its numbers describe. */
export function placementOf(plan: ExpansionPlan): Placement {
  const { placement, groups, copies, baseNumHiddenLayers: numHiddenLayers } = plan
  if (placement === 'custom') return 'custom'
  const options =
    placement === 'at' ? { at: newLayersOf(plan) } : { placement, groups: groups ?? 0, copies: copies ?? 0 }
  try {
    const planned = planExpansion({ numHiddenLayers }, options)
    return JSON.stringify(planned.layers) === JSON.stringify(plan.layers) ? placement : 'custom'
  } catch (error) {
    if (error instanceof LabError) return 'custom'
    throw error
  }
}

/**
 * Checks a plan, which may have been edited, against the model that it is for: every old block occurs once and in order,
 * new blocks copy blocks that exist, indices count up, at least one block is new.
 *
 * @throws LabError EXPANSION_PLAN
 */
export function checkPlan(plan: ExpansionPlan, numHiddenLayers: number): void {
  const { layers } = plan
  if (plan.baseNumHiddenLayers !== numHiddenLayers)
    throw badPlan(`the plan is for a model of ${plan.baseNumHiddenLayers} blocks, but this one has ${numHiddenLayers}.`)
  if (plan.numHiddenLayers !== layers.length)
    throw badPlan(`the plan says ${plan.numHiddenLayers} blocks and lists ${layers.length}.`)
  for (const [i, { layer, sourceLayer }] of layers.entries()) {
    if (layer !== i) throw badPlan(`entry ${i} of the plan says it is block ${layer}; blocks must count up from 0.`)
    if (!Number.isSafeInteger(sourceLayer) || sourceLayer < 0 || sourceLayer >= numHiddenLayers)
      throw badPlan(
        `block ${i} of the plan has source block ${sourceLayer}; the model has blocks 0 to ${numHiddenLayers - 1}.`,
      )
  }
  const olds = layers.filter(block => !block.isNew).map(block => block.sourceLayer)
  if (olds.length !== numHiddenLayers || olds.some((source, i) => source !== i))
    throw badPlan(
      `the old blocks of the plan are ${olds.join(', ')}; expected 0 to ${numHiddenLayers - 1}, once each and in order.`,
    )
  if (olds.length === layers.length) throw badPlan('the plan has no new block.')
}

/**
 * A plan as plain text: one line of counts, the blocks from the bottom up with new ones as their source in parentheses
 * (`0 1 (1) 2 3 (3)`), then the notes.
 */
export function planText(plan: ExpansionPlan): string {
  const news = newLayersOf(plan)
  const grouping = plan.groups === null ? '' : `, ${plan.groups} groups x ${plan.copies}`
  const blocks = plan.layers.map(({ sourceLayer, isNew }) => (isNew ? `(${sourceLayer})` : String(sourceLayer)))
  return [
    `${plan.baseNumHiddenLayers} -> ${plan.numHiddenLayers} blocks, ${placementOf(plan)}${grouping}; new: ${news.join(', ')}`,
    blocks.join(' '),
    ...plan.notes,
  ].join('\n')
}
