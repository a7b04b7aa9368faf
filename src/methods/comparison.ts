/** One recipe as several: the same base, data order, token budget and probes, another method each. */
import { defaultForgottenProbe } from '../forgetting/figures.js'
import { type ComparedMethod, comparedNames, existingSchema, loraSchema } from '../train/method-options.js'
import { parseRecipe, type Recipe } from '../train/recipe.js'
import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'

export interface ComparedRun {
  method: ComparedMethod
  recipe: Recipe
}

type MethodPart = Pick<Recipe, 'method'> & Partial<Pick<Recipe, 'expansion' | 'lora' | 'existing' | 'train'>>

/**
 * The recipes of a comparison. Only the method with its options, the name, and a learning rate given in `compare.lr`
 * differ; everything else, the seed of the data order too, is that of `recipe`.
 *
 * - `expansion`: as the recipe's block says; `interleaved`, `prefix`, `suffix`: as many new blocks, placed so
 * - `full`: every parameter of the base; `existing`: as many blocks of the base as the expansion adds, unless it says otherwise
 * - `lora`: options of `compare.lora` (else the recipe's own, else rank 16, alpha 32, all linear layers); `moe`: two experts
 *
 * @param methods default: `compare.methods`, else expansion, full and lora
 * @throws LabError METHOD for an unknown or repeated method, or one that lacks its options
 */
export function comparedRuns(recipe: Recipe, methods?: readonly string[]): ComparedRun[] {
  const names = methods ?? recipe.compare?.methods ?? ['expansion', 'full', 'lora']
  if (names.length === 0) throw new LabError('METHOD', `expected at least one method of ${comparedNames.join(', ')}`)
  return names.map((name, i) => {
    const method = comparedNames.find(known => known === name)
    if (!method)
      throw new LabError(
        'METHOD',
        `unknown method "${name}".${didYouMean(name, comparedNames)} Known: ${comparedNames.join(', ')}`,
      )
    if (names.indexOf(name) !== i) throw new LabError('METHOD', `the method "${name}" is listed twice`)
    return { method, recipe: recipeFor(recipe, method) }
  })
}

function recipeFor(recipe: Recipe, method: ComparedMethod): Recipe {
  const { expansion: _, lora: __, existing: ___, train: ____, compare, ...shared } = recipe
  const lr = compare?.lr?.[method] ?? shared.optimizer.lr
  const value = {
    ...shared,
    ...methodPart(recipe, method),
    name: `${recipe.name}-${method}`,
    optimizer: { ...shared.optimizer, lr },
  }
  return parseRecipe(value, { origin: `method ${method}` })
}

function methodPart(recipe: Recipe, method: ComparedMethod): MethodPart {
  const { compare } = recipe
  const ownRules = recipe.method === method && recipe.train.length > 0 ? { train: recipe.train } : {}
  switch (method) {
    case 'expansion':
      return { method, expansion: expansionOf(recipe, method), ...ownRules }
    case 'interleaved':
    case 'prefix':
    case 'suffix': {
      const { at, groups = at?.length, copies = 1 } = expansionOf(recipe, method)
      return { method: 'expansion', expansion: { groups, copies, placement: method } }
    }
    case 'full':
      return { method, ...ownRules }
    case 'lora':
      return { method, lora: compare?.lora ?? recipe.lora ?? loraSchema.parse({}) }
    case 'existing':
      return {
        method,
        existing: compare?.existing ?? recipe.existing ?? existingSchema.parse({ blocks: addedBlocks(recipe) }),
      }
    case 'moe':
      return { method }
  }
}

function addedBlocks(recipe: Recipe): number {
  const { at, groups = 0, copies = 1 } = expansionOf(recipe, 'existing')
  return at?.length ?? groups * copies
}

function expansionOf({ expansion }: Recipe, method: ComparedMethod): NonNullable<Recipe['expansion']> {
  if (expansion) return expansion
  const hint = method === 'existing' ? ', or a "compare" block with existing.blocks' : ''
  throw new LabError('METHOD', `method "${method}" needs the recipe's "expansion" block${hint}`)
}

/** The probe of a comparison that stands for what should be kept; null without probes. */
export function forgottenProbe({ probes, compare }: Recipe): string | null {
  const names = probes.map(probe => probe.name)
  const wanted = compare?.forgotten
  if (wanted !== undefined && !names.includes(wanted))
    throw new LabError('METHOD', `compare.forgotten: there is no probe "${wanted}".${didYouMean(wanted, names)}`)
  return wanted ?? defaultForgottenProbe(names)
}
