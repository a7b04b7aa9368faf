/** Keys of a recipe that `:train` takes one by one, `schedule.kind=constant`. Those that a session decides itself are not among them. */
import type { OptionSpec, OptionValue } from './command.js'

const onBad = ['error', 'warn', 'skip']
const choice = (choices: readonly string[], about: string): OptionSpec => ({ kind: 'choice', choices, about })
const number = (about: string): OptionSpec => ({ kind: 'number', about })
const integer = (about: string): OptionSpec => ({ kind: 'integer', about })

export const recipeOptions: Readonly<Record<string, OptionSpec>> = {
  'optimizer.betas': { kind: 'numbers', about: 'decays of the two moments of AdamW' },
  'optimizer.eps': number('of AdamW'),
  'optimizer.weightDecay': number('decoupled, times the learning rate'),
  'optimizer.clipNorm': number('largest global norm of the gradient'),
  'schedule.kind': choice(['cosine', 'constant'], 'of the learning rate'),
  'schedule.warmupRatio': number('share of the steps that warm up'),
  'schedule.minLrRatio': number('the last learning rate, as a share of the peak'),
  'data.windowDocs': integer('documents shuffled together'),
  'data.onBadShard': choice(onBad, 'a shard that cannot be read'),
  'data.onBadDocument': choice(onBad, 'a document that cannot be read'),
  precision: choice(['f32', 'bf16', 'f16'], 'of matrix products'),
  remat: choice(['auto', 'always', 'never'], 'recompute blocks in the backward pass'),
  keepCheckpoints: integer('newest checkpoints that are kept'),
  saveDtype: choice(['source', 'float32', 'bfloat16', 'float16'], 'of the saved model'),
}

/** Options by their dotted names as the fields of a recipe. */
export function recipeFields(options: Readonly<Record<string, OptionValue>>): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    const [group, key] = name.split('.') as [string, string?]
    if (key === undefined) fields[group] = value
    else fields[group] = { ...(fields[group] as object | undefined), [key]: value }
  }
  return fields
}
