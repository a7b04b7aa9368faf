import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { resolveDataset } from '../../src/data/dataset.js'
import { DATA_FORMATS, loadManifest } from '../../src/data/manifest.js'
import { readShard } from '../../src/data/shard.js'
import { globToRegExp } from '../../src/util/glob.js'
import { hasShared } from '../support/shared.js'

const datasets = fileURLToPath(new URL('../../datasets', import.meta.url))
const yamlFiles = (folder: string) =>
  readdirSync(join(datasets, folder))
    .filter(name => name.endsWith('.yaml'))
    .map(name => join(datasets, folder, name))
const manifests = ['demo', 'hub', 'local'].flatMap(yamlFiles)
const known = manifests.filter(path =>
  (DATA_FORMATS as readonly string[]).includes(parse(readFileSync(path, 'utf8')).format),
)
const at = (path: string) => path.slice(datasets.length + 1)

interface Recipe {
  name: string
  method: string
  data: { sources: { manifest: string; weight: number }[]; seqLen: number }
  probes: { name: string; manifest: string; maxTokens: number }[]
  [key: string]: unknown
}
const recipes = yamlFiles('recipes').map(path => ({ path, recipe: parse(readFileSync(path, 'utf8')) as Recipe }))
const recipeNamed = (name: string) => recipes.find(({ recipe }) => recipe.name === name)!.recipe

/** The text of every document of a dataset. */
async function readAll(path: string): Promise<string[]> {
  const dataset = await resolveDataset(await loadManifest(path))
  const texts: string[] = []
  for (const [index, { format }] of dataset.files.entries()) {
    const source = await dataset.open(index)
    for await (const record of readShard(source, { format, textField: dataset.textField, fields: [] })) {
      if ('fault' in record) throw record.fault
      texts.push(record.text)
    }
  }
  return texts
}

describe('manifests', () => {
  it('all but those of plain text are accepted by the reader of manifests, each under its own name', async () => {
    expect(known.length).toBeGreaterThanOrEqual(manifests.length - 1)
    const names = await Promise.all(known.map(async path => (await loadManifest(path)).name))
    expect(new Set(names).size).toBe(known.length)
  })

  it('the demo reads through the data pipeline: documents of both splits, none in both', async () => {
    const [code, codeHeldOut, math, mathHeldOut] = await Promise.all(
      ['code', 'code-validation', 'math', 'math-validation'].map(name =>
        readAll(join(datasets, 'demo', `${name}.yaml`)),
      ),
    )
    expect(code!.length).toBeGreaterThan(codeHeldOut!.length)
    expect(math!.length).toBeGreaterThan(4_000)
    expect(mathHeldOut!.length).toBeGreaterThan(300)
    const trained = new Set([...code!, ...math!])
    expect([...codeHeldOut!, ...mathHeldOut!].filter(text => trained.has(text))).toEqual([])
  })

  it('the general manifest names the prose files', () => {
    const { files, format } = parse(readFileSync(join(datasets, 'demo/general.yaml'), 'utf8'))
    expect(format).toBe('text')
    const all = readdirSync(join(datasets, 'demo/general')).map(name => `general/${name}`)
    expect(all.filter(path => globToRegExp(files).test(path))).toEqual(all)
  })

  it.skipIf(!hasShared('data/general'))('the local manifests find the data beside the checkout', async () => {
    for (const path of yamlFiles('local'))
      expect((await resolveDataset(await loadManifest(path))).files.length, at(path)).toBeGreaterThan(0)
  })
})

describe('recipes', () => {
  it.each(recipes)(
    '$recipe.name: named like its file, with manifests that exist and positive weights',
    ({ path, recipe }) => {
      expect(path.endsWith(`/${recipe.name}.yaml`)).toBe(true)
      for (const { manifest } of [...recipe.data.sources, ...recipe.probes])
        expect(manifests, `${recipe.name}: ${manifest}`).toContain(join(dirname(path), manifest))
      expect(recipe.data.sources.every(({ weight }) => weight > 0)).toBe(true)
      const trained = recipe.data.sources.map(({ manifest }) => manifest)
      expect(recipe.probes.filter(({ manifest }) => trained.includes(manifest))).toEqual([])
    },
  )

  it("llama-pro-paper has the paper's numbers", () => {
    const paper = recipeNamed('llama-pro-paper')
    expect(paper).toMatchObject({
      method: 'expansion',
      expansion: { groups: 8, copies: 1, placement: 'interleaved' },
      train: ['added'],
      precision: 'bf16',
      data: { seqLen: 4096 },
      optimizer: { lr: 2e-4, betas: [0.9, 0.95], weightDecay: 0.1, clipNorm: 1 },
      schedule: { kind: 'cosine', warmupRatio: 0.06 },
      steps: 15_900,
    })
    const { microBatch, gradAccumSteps } = paper['batch'] as { microBatch: number; gradAccumSteps: number }
    expect(microBatch * gradAccumSteps).toBe(1024)
    expect(paper.data.sources).toEqual([
      { manifest: '../hub/the-stack-dedup-python.yaml', weight: 1.5 },
      { manifest: '../hub/proof-pile-2.yaml', weight: 1 },
    ])
  })

  it.each([
    ['demo', 'demo-full'],
    ['shared-expand', 'shared-full'],
  ])('%s and %s differ in the method alone', (expansion, full) => {
    const { name: _a, method: a, expansion: _e, train: _t, ...left } = recipeNamed(expansion)
    const { name: _b, method: b, train: _u, ...right } = recipeNamed(full)
    expect([a, b]).toEqual(['expansion', 'full'])
    expect(left).toEqual(right)
  })
})
