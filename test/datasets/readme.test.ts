import { readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadRecipe } from '../../src/train/recipe.js'
import { repositoryRoot } from '../support/shared.js'

const folder = join(repositoryRoot, 'datasets')
const recipes = readdirSync(join(folder, 'recipes')).map(name => basename(name, '.yaml'))

/** The base of every recipe, as the table of recipes has it. */
const listed = new Map(
  readFileSync(join(folder, 'README.md'), 'utf8')
    .split('| recipe | base |')[1]!
    .split('\n')
    .flatMap(line => {
      const [, names = '', base = ''] = line.split('|')
      return [...names.matchAll(/`([\w-]+)`/g)].map(([, name]) => [name!, base.trim()] as const)
    }),
)

describe('the table of recipes', () => {
  it('lists every recipe and no other', () => {
    expect([...listed.keys()].sort()).toEqual([...recipes].sort())
  })

  it.each(recipes)('names the base of %s', name => {
    const { model } = loadRecipe(join(folder, 'recipes', `${name}.yaml`))
    const base = listed.get(name)!
    if (model === undefined) expect(base).toContain('random weights')
    else if (model.startsWith('hf://')) expect(base).toBe('LLaMA2-7B')
    else expect(model.endsWith(`/${base.replaceAll('`', '')}`), `${model}, listed as ${base}`).toBe(true)
  })
})
