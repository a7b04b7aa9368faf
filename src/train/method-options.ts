/** The part of a recipe that says how training goes on from the base: its method, the method's options, and comparisons. */
import { z } from 'zod'
import { linearNames } from '../model/parameters.js'

const count = z.number().int().positive()
const positive = z.number().positive()

/** What a run can be; see the folder `methods`. */
export const methodNames = ['expansion', 'full', 'lora', 'existing', 'moe'] as const

/** What can be compared: the methods, and block expansion under the name of its placement. */
export const comparedNames = [...methodNames, 'interleaved', 'prefix', 'suffix'] as const
export type ComparedMethod = (typeof comparedNames)[number]

export const expansionSchema = z.strictObject({
  /** Groups that the blocks are cut into. */
  groups: count.optional(),
  /** Identity copies added to each group. */
  copies: count.optional(),
  placement: z.enum(['interleaved', 'prefix', 'suffix']).optional(),
  /** Instead of groups: indices of the new blocks after expansion. */
  at: z.array(z.number().int().min(0)).optional(),
})

export const loraSchema = z.strictObject({
  /** r: inner width of the two factors. */
  rank: count.default(16),
  /** The product of the factors counts alpha / rank times. */
  alpha: positive.default(32),
  /** Linear layers that are adapted, in every block; default all seven. */
  targets: z
    .array(z.enum(linearNames))
    .min(1)
    .default([...linearNames]),
})

export const existingSchema = z.strictObject({
  /** k: blocks of the base that are trained. */
  blocks: count,
  /** `last`: the k blocks at the top. `spread`: the top block of each of k groups, where expansion would put copies. */
  choose: z.enum(['last', 'spread']).default('last'),
})

const lrSchema = z.strictObject({
  expansion: positive.optional(),
  full: positive.optional(),
  lora: positive.optional(),
  existing: positive.optional(),
  moe: positive.optional(),
  interleaved: positive.optional(),
  prefix: positive.optional(),
  suffix: positive.optional(),
} satisfies Record<ComparedMethod, unknown>)

/** What `compare` reads besides the recipe; a single run does not look at it. */
export const compareSchema = z.strictObject({
  /** Methods that are compared when the command names none. */
  methods: z.array(z.enum(comparedNames)).min(1).optional(),
  lora: loraSchema.optional(),
  /** Default: as many blocks as the expansion adds, the last ones. */
  existing: existingSchema.optional(),
  /** Peak learning rates that differ from optimizer.lr. */
  lr: lrSchema.optional(),
  /** The probe that stands for what should be kept (default `general`, or the first probe). */
  forgotten: z.string().optional(),
})

/** Fields of a recipe that this file is about. */
interface MethodFields {
  method: (typeof methodNames)[number]
  expansion?: z.infer<typeof expansionSchema> | undefined
  lora?: z.infer<typeof loraSchema> | undefined
  existing?: z.infer<typeof existingSchema> | undefined
  train?: string[] | undefined
}

/** Freeze rules of each method when the recipe gives none; `existing` chooses when the number of blocks is known. */
const defaultRules: Record<MethodFields['method'], string[]> = {
  expansion: ['added'],
  full: ['all'],
  lora: ['**.lora_*.weight'],
  existing: [],
  moe: ['**.moe_*'],
}

/** The method's fields with its defaults filled in. */
export function resolveMethod<T extends MethodFields>(recipe: T): Omit<T, 'train'> & { train: string[] } {
  const lora = recipe.method === 'lora' ? { lora: recipe.lora ?? loraSchema.parse({}) } : {}
  return { ...recipe, ...lora, train: recipe.train ?? defaultRules[recipe.method] }
}

/** Refuses options of another method, and options that contradict each other. */
export function checkMethod(recipe: MethodFields, fail: (message: string) => void): void {
  const { method, expansion } = recipe
  if (method === 'expansion' && !expansion) fail('method "expansion" needs an "expansion" block with groups or at')
  if (method === 'existing' && !recipe.existing) fail('method "existing" needs an "existing" block with blocks')
  for (const block of ['expansion', 'lora', 'existing'] as const) {
    if (recipe[block] && method !== block)
      fail(`method "${method}" takes no "${block}" block; did you mean method "${block}"?`)
  }
  if (recipe.train) checkRules(method, recipe.train, fail)
  if (expansion) checkExpansion(expansion, fail)
}

/** A resolved recipe, which spells the defaults out, is a recipe again. */
function checkRules(method: MethodFields['method'], rules: string[], fail: (message: string) => void): void {
  if (rules.join('\n') === defaultRules[method].join('\n')) return
  if (rules.length === 0) fail('train: expected at least one rule')
  if (method === 'existing')
    fail('method "existing" chooses blocks itself; for rules of your own take method "full" with "train"')
  if (method === 'lora' || method === 'moe')
    fail(`method "${method}" trains what it adds and nothing else; it takes no "train"`)
}

function checkExpansion(expansion: z.infer<typeof expansionSchema>, fail: (message: string) => void): void {
  if ((expansion.groups === undefined) === (expansion.at === undefined))
    fail('expansion: expected either "groups" or "at"')
  const idle = expansion.at && (['copies', 'placement'] as const).find(key => expansion[key] !== undefined)
  if (idle) fail(`expansion: "${idle}" has no meaning beside "at", which already says where every new block goes`)
}
