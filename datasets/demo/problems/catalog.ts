import { arithmetic } from './arithmetic.js'
import { chance } from './chance.js'
import { fractions } from './fractions.js'
import { geometry } from './geometry.js'
import { induction } from './induction.js'
import { integers } from './integers.js'
import { linear } from './linear.js'
import { modular } from './modular.js'
import { percent } from './percent.js'
import type { Template } from './problem.js'
import { quadratics } from './quadratics.js'
import { sequences } from './sequences.js'
import { stories } from './stories.js'
import { units } from './units.js'

const topics = {
  arithmetic,
  integers,
  modular,
  fractions,
  percent,
  linear,
  quadratics,
  sequences,
  induction,
  units,
  geometry,
  chance,
  stories,
}

/** Every template under its topic and name, in a fixed order. */
export const catalog: readonly { topic: string; name: string; template: Template }[] = Object.entries(topics).flatMap(
  ([topic, templates]) => Object.entries(templates).map(([name, template]) => ({ topic, name, template })),
)
