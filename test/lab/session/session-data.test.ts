import { basename, join } from 'node:path'
import { expect, it } from 'vitest'
import { SessionData } from '../../../src/lab/session/session-data.js'
import { loadRecipe } from '../../../src/train/recipe.js'
import { repositoryRoot } from '../../support/shared.js'

it.each(['demo', 'demo-full', 'demo-compare'])('a session trains on and measures the same as the recipe %s', name => {
  const { data: theirs, probes } = loadRecipe(join(repositoryRoot, 'datasets', 'recipes', `${name}.yaml`))
  const data = new SessionData(repositoryRoot)
  data.takeDemo()
  const named = <T extends { manifest: string }>(all: readonly T[]) =>
    all.map(one => ({ ...one, manifest: basename(one.manifest) }))
  expect(named(data.recipeProbes())).toEqual(named(probes))
  expect(named(data.recipeSources(false))).toEqual(named(theirs.sources))
})
