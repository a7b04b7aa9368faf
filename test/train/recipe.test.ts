import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadManifest } from '../../src/data/manifest.js'
import { loadRecipe, parseRecipe, recipeHash } from '../../src/train/recipe.js'
import { errorOf } from '../support/errors.js'
import { repositoryRoot } from '../support/shared.js'

const minimal = {
  model: 'base',
  method: 'expansion',
  expansion: { groups: 2 },
  data: { sources: [{ manifest: 'code.yaml' }], seqLen: 16 },
  steps: 10,
  seed: 1,
}

const init = {
  hiddenSize: 8,
  intermediateSize: 16,
  numHiddenLayers: 2,
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  headDim: 2,
  vocabSize: 32,
  maxPositionEmbeddings: 16,
}

function refusal(changes: Record<string, unknown>): string {
  const { code, message } = errorOf(() => parseRecipe({ ...minimal, ...changes }, { origin: 'my.yaml' }))
  expect(code).toBe('RECIPE')
  expect(message).toMatch(/^my\.yaml: /)
  return message
}

describe('a recipe', () => {
  it('gets the defaults of the paper where it says nothing, and absolute paths', () => {
    const recipe = parseRecipe(minimal, { baseDir: '/recipes' })
    expect(recipe).toMatchObject({
      name: 'run',
      model: '/recipes/base',
      train: ['added'],
      precision: 'f32',
      remat: 'auto',
      frozenWeights: 'auto',
      data: { sources: [{ manifest: '/recipes/code.yaml', weight: 1 }], onBadShard: 'error' },
      optimizer: { lr: 2e-4, betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0.1, clipNorm: 1 },
      schedule: { kind: 'cosine', warmupRatio: 0.06, minLrRatio: 0 },
      batch: { microBatch: 1, gradAccumSteps: 1 },
      probes: [],
    })
    expect(parseRecipe({ ...minimal, method: 'full', expansion: undefined }).train).toEqual(['all'])
    expect(parseRecipe({ ...minimal, model: 'hf://owner/name' }).model).toBe('hf://owner/name')
  })

  it.each([
    [{ optimiser: {} }, 'optimiser', 'optimizer'],
    [{ step: 3 }, 'step', 'steps'],
    [{ expansion: { groups: 2, copie: 1 } }, 'expansion.copie', 'copies'],
    [{ data: { ...minimal.data, seqlength: 4 } }, 'data.seqlength', 'seqLen'],
    [{ data: { seqLen: 4, sources: [{ manifest: 'x', wieght: 1 }] } }, 'data.sources.0.wieght', 'weight'],
    [{ optimizer: { weight_decay: 0 } }, 'optimizer.weight_decay', 'weightDecay'],
    [{ schedule: { warmupratios: 0.1 } }, 'schedule.warmupratios', 'warmupRatio'],
    [{ batch: { microbatch_: 2 } }, 'batch.microbatch_', 'microBatch'],
    [{ probes: [{ name: 'a', manifest: 'x', maxToken: 5 }] }, 'probes.0.maxToken', 'maxTokens'],
    [{ model: undefined, tokenizer: 't', init: { ...init, hidden_size: 8 } }, 'init.hidden_size', 'hiddenSize'],
  ])('names the nearest known key of an unknown one: %j', (changes, key, near) => {
    const message = refusal(changes)
    expect(message).toContain(`unknown key "${key}". Did you mean "${near}"?`)
    expect(message).toMatch(new RegExp(`Known: .*\\b${near}\\b`))
  })

  it.each([
    ['two starting points', { init }, /either "model" or "init"/],
    ['no starting point', { model: undefined }, /either "model" or "init"/],
    ['new weights without a tokenizer', { model: undefined, init }, /"init" needs "tokenizer"/],
    ['expansion without saying where', { expansion: undefined }, /needs an "expansion" block/],
    ['an expansion block for full training', { method: 'full' }, /takes no "expansion" block/],
    ['groups and positions', { expansion: { groups: 2, at: [1] } }, /either "groups" or "at"/],
    ['neither groups nor positions', { expansion: { copies: 1 } }, /either "groups" or "at"/],
    ['positions and copies', { expansion: { at: [1], copies: 2 } }, /"copies" has no meaning beside "at"/],
    ['positions and placement', { expansion: { at: [1], placement: 'prefix' } }, /"placement" has no meaning/],
    [
      'one probe name twice',
      { probes: [1, 2].map(n => ({ name: 'general', manifest: `${n}.yaml` })) },
      /"general" is listed twice/,
    ],
    [
      'heads that cannot be shared out',
      { model: undefined, tokenizer: 't', init: { ...init, numAttentionHeads: 3 } },
      /numAttentionHeads 3 .* multiple of numKeyValueHeads 2/,
    ],
    [
      'new weights as their file stores them',
      { model: undefined, tokenizer: 't', init, frozenWeights: 'int4' },
      /frozenWeights: int4 is for weights from a checkpoint/,
    ],
    ['an odd head', { model: undefined, tokenizer: 't', init: { ...init, headDim: 3 } }, /headDim 3 .* even/],
    [
      'rows longer than the context',
      { model: undefined, tokenizer: 't', init, data: { ...minimal.data, seqLen: 17 } },
      /seqLen 17 .*maxPositionEmbeddings 16/,
    ],
  ])('refuses %s', (_what, changes, message) => {
    expect(refusal(changes)).toMatch(message)
  })

  it.each([
    ['steps', { steps: 0 }],
    ['steps', { steps: 1.5 }],
    ['steps', { steps: undefined }],
    ['optimizer.lr', { optimizer: { lr: -1 } }],
    ['optimizer.betas', { optimizer: { betas: [0.9] } }],
    ['optimizer.betas.1', { optimizer: { betas: [0.9, 1] } }],
    ['schedule.warmupRatio', { schedule: { warmupRatio: 1.1 } }],
    ['method', { method: 'lora' }],
    ['data.sources', { data: { seqLen: 4, sources: [] } }],
    ['probes.0.name', { probes: [{ name: 'a b', manifest: 'x' }] }],
  ])('says where a value is wrong: %s of %j', (path, changes) => {
    expect(refusal(changes)).toContain(`my.yaml: ${path}`)
  })

  it('is refused as a file that is missing or not YAML', () => {
    expect(errorOf(() => loadRecipe('/nowhere/recipe.yaml'))).toMatchObject({ code: 'RECIPE' })
    expect(errorOf(() => parseRecipe(parse('just a line')))).toMatchObject({ code: 'RECIPE' })
    expect(errorOf(() => parseRecipe(null))).toMatchObject({ code: 'RECIPE' })
  })

  it('parses to itself when it is resolved already, so that run.json can be run again', () => {
    const once = parseRecipe(minimal, { baseDir: '/recipes' })
    expect(parseRecipe(JSON.parse(JSON.stringify(once)), { baseDir: '/elsewhere' })).toEqual(once)
  })

  it('has a hash of what it asks for, wherever it lies', () => {
    const changed = { ...minimal, tokenizer: 'base', probes: [{ name: 'p', manifest: 'p.yaml' }] }
    const hashOf = (changes: Record<string, unknown>, baseDir = '/recipes') =>
      recipeHash(parseRecipe({ ...changed, ...changes }, { baseDir }))
    const hash = hashOf({})
    expect(hashOf({}, '/elsewhere')).toBe(hash)
    for (const changes of [
      { steps: 11 },
      { probes: [{ name: 'q', manifest: 'p.yaml' }] },
      { data: { ...minimal.data, sources: [{ manifest: 'code.yaml', subset: 'part' }] } },
      { data: { ...minimal.data, sources: [{ manifest: 'code.yaml', weight: 2 }] } },
    ])
      expect(hashOf(changes), JSON.stringify(changes)).not.toBe(hash)
  })
})

describe('the method of a recipe', () => {
  const { expansion: _, ...plain } = minimal

  it('has its options filled in, and a resolved recipe is a recipe again', () => {
    const lora = parseRecipe({ ...plain, method: 'lora', lora: { rank: 4 } })
    expect(lora.lora).toEqual({
      rank: 4,
      alpha: 32,
      targets: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
    })
    expect(parseRecipe({ ...plain, method: 'lora' }).lora).toMatchObject({ rank: 16, alpha: 32 })
    expect(parseRecipe({ ...plain, method: 'existing', existing: { blocks: 2 } }).existing).toEqual({
      blocks: 2,
      choose: 'last',
    })
    for (const [method, options] of [
      ['lora', {}],
      ['existing', { existing: { blocks: 2 } }],
      ['moe', {}],
    ] as const) {
      const once = parseRecipe({ ...plain, method, ...options })
      expect(parseRecipe(JSON.parse(JSON.stringify(once)))).toEqual(once)
    }
  })

  it.each([
    [{ method: 'lorra' }, 'Did you mean "lora"?'],
    [{ method: 'lora', lora: { ranks: 4 } }, 'unknown key "lora.ranks". Did you mean "rank"?'],
    [{ method: 'lora', lora: { targets: ['q_prj'] } }, 'Did you mean "q_proj"?'],
    [{ method: 'lora', lora: { rank: 0 } }, 'lora.rank'],
    [{ method: 'lora', train: ['all'] }, 'it takes no "train"'],
    [{ method: 'moe', train: ['all'] }, 'it takes no "train"'],
    [{ method: 'existing' }, 'needs an "existing" block'],
    [{ method: 'existing', existing: { blocks: 1 }, train: ['block 3'] }, 'take method "full" with "train"'],
    [{ method: 'full', lora: {} }, 'method "full" takes no "lora" block; did you mean method "lora"?'],
    [{ method: 'lora', expansion: { groups: 2 } }, 'takes no "expansion" block'],
    [{ method: 'full', train: [] }, 'at least one rule'],
    [{ method: 'full', compare: { method: ['full'] } }, 'Did you mean "methods"?'],
    [{ method: 'full', compare: { methods: ['sufix'] } }, 'Did you mean "suffix"?'],
    [{ method: 'full', compare: { lr: { loora: 1 } } }, 'unknown key "compare.lr.loora". Did you mean "lora"?'],
  ])('%j is refused: %s', (changes, message) => {
    expect(refusal({ expansion: undefined, ...changes })).toContain(message)
  })
})

describe('the recipes in datasets/recipes', () => {
  const folder = join(repositoryRoot, 'datasets/recipes')
  const names = readdirSync(folder).filter(name => name.endsWith('.yaml'))

  it('are there', () => {
    expect(names.length).toBeGreaterThan(0)
  })

  it.each(names)('%s: every key is known and every path leads somewhere', async name => {
    const recipe = loadRecipe(join(folder, name))
    for (const { manifest, subset } of [...recipe.data.sources, ...recipe.probes]) {
      expect(existsSync(manifest), manifest).toBe(true)
      const { files } = await loadManifest(manifest, subset === undefined ? {} : { subset })
      expect(files.length).toBeGreaterThan(0)
    }
    if (recipe.tokenizer !== undefined) expect(existsSync(join(recipe.tokenizer, 'tokenizer.json'))).toBe(true)
    // a base that another recipe makes need not be there yet
    const isMade = names.some(other => recipe.model?.endsWith(`runs/${other.replace('.yaml', '')}/model`))
    const isLocal = recipe.model !== undefined && !recipe.model.startsWith('hf://') && !isMade
    if (isLocal) expect(existsSync(recipe.model!), recipe.model).toBe(true)
  })
})
