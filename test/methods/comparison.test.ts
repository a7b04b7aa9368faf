import { describe, expect, it } from 'vitest'
import { comparedRuns, forgottenProbe } from '../../src/methods/comparison.js'
import { comparisonFigure } from '../../src/methods/comparison-figure.js'
import { comparisonCsv, comparisonRow, comparisonText } from '../../src/methods/comparison-table.js'
import { comparedNames } from '../../src/train/method-options.js'
import type { MetricRecord } from '../../src/train/metrics.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { errorOf } from '../support/errors.js'

const value = {
  name: 'try',
  model: '/base',
  method: 'expansion',
  expansion: { groups: 3, copies: 2 },
  data: { sources: [{ manifest: '/code.yaml' }], seqLen: 16 },
  steps: 10,
  seed: 5,
  probes: [
    { name: 'code', manifest: '/code.yaml' },
    { name: 'general', manifest: '/general.yaml' },
  ],
}

describe('the recipes of a comparison', () => {
  it('differ in the method alone: base, data, seed, budget and probes are the same', () => {
    const runs = comparedRuns(parseRecipe(value), comparedNames)
    expect(runs.map(run => run.method)).toEqual(comparedNames)
    const shared = runs.map(({ recipe: { name, method, expansion, lora, existing, train, ...rest } }) => rest)
    for (const rest of shared) expect(rest).toEqual(shared[0])
    expect(shared[0]).toMatchObject({ model: '/base', seed: 5, steps: 10, data: { seqLen: 16 } })
  })

  it('say what each method is', () => {
    const runs = comparedRuns(parseRecipe(value), comparedNames)
    const of = (name: string) => runs.find(run => run.method === name)!.recipe
    expect(of('expansion')).toMatchObject({
      name: 'try-expansion',
      expansion: { groups: 3, copies: 2 },
      train: ['added'],
    })
    expect(of('prefix')).toMatchObject({
      method: 'expansion',
      expansion: { groups: 3, copies: 2, placement: 'prefix' },
    })
    expect(of('full')).toMatchObject({ method: 'full', train: ['all'] })
    expect(of('lora').lora).toEqual(expect.objectContaining({ rank: 16, alpha: 32 }))
    expect(of('existing').existing).toEqual({ blocks: 6, choose: 'last' })
    expect(of('moe').method).toBe('moe')
  })

  it('take options and learning rates from the compare block', () => {
    const compare = { methods: ['lora', 'suffix'], lora: { rank: 4 }, lr: { lora: 0.01 } }
    const [lora, suffix] = comparedRuns(parseRecipe({ ...value, compare }))
    expect(lora!.recipe.lora).toMatchObject({ rank: 4, alpha: 32 })
    expect([lora!.recipe.optimizer.lr, suffix!.recipe.optimizer.lr]).toEqual([0.01, 2e-4])
  })

  it('place as many blocks as explicit positions name', () => {
    const [run] = comparedRuns(parseRecipe({ ...value, expansion: { at: [2, 5] } }), ['suffix'])
    expect(run!.recipe.expansion).toEqual({ groups: 2, copies: 1, placement: 'suffix' })
  })

  it.each([
    [['lorra'], 'unknown method "lorra". Did you mean "lora"?'],
    [['full', 'full'], '"full" is listed twice'],
    [[], 'at least one method'],
  ])('refuse %j', (methods, message) => {
    const error = errorOf(() => comparedRuns(parseRecipe(value), methods))
    expect(error.code).toBe('METHOD')
    expect(error.message).toContain(message)
  })

  it('refuse placements when nothing says how many blocks', () => {
    const { expansion: _, ...full } = { ...value, method: 'full' }
    expect(errorOf(() => comparedRuns(parseRecipe(full), ['prefix'])).message).toContain(
      'needs the recipe\'s "expansion" block',
    )
  })

  it('know the probe of what should be kept', () => {
    expect(forgottenProbe(parseRecipe(value))).toBe('general')
    expect(forgottenProbe(parseRecipe({ ...value, probes: [] }))).toBeNull()
    expect(forgottenProbe(parseRecipe({ ...value, compare: { forgotten: 'code' } }))).toBe('code')
    const wrong = parseRecipe({ ...value, compare: { forgotten: 'genral' } })
    expect(errorOf(() => forgottenProbe(wrong)).message).toContain('Did you mean "general"?')
  })
})

/** Twenty steps with losses 20, 19, ..., 1, and one probe that has lost 0.5 nats/token. */
function records(): MetricRecord[] {
  const at = (step: number) => ({ seq: step, step, tokens: 32 * step, seconds: step })
  const train = Array.from({ length: 20 }, (_, i) => ({
    kind: 'train' as const,
    ...at(i + 1),
    lossNats: 20 - i,
    lr: 0.1,
    gradNorm: 1,
    tokensPerSec: 100 + i,
    rssBytes: 1,
    mix: {},
  }))
  const probe = {
    kind: 'probe' as const,
    ...at(20),
    probe: 'general',
    lossNats: 3,
    bitsPerByte: 2,
    deltaNats: 0.5,
    deltaLow: 0.25,
    deltaHigh: 0.75,
    klToBaseNats: null,
    unshifted: null,
    marginal: null,
    shifted: null,
    tokensScored: 100,
    bytesScored: 400,
  }
  return [...train, probe]
}

describe('the table of a comparison', () => {
  const row = comparisonRow({
    method: 'full',
    records: records(),
    parameters: { total: 4000, trainable: 1000 },
    lr: 0.1,
  })

  it('has the loss of the last tenth, and the base behind the probe', () => {
    expect(row).toMatchObject({ steps: 20, tokens: 640, seconds: 20, trainLossNats: 1.5, tokensPerSec: 110 })
    expect(row.probes[0]!.bitsPerByteBase).toBeCloseTo(2 - (0.5 * 100) / (400 * Math.LN2), 12)
  })

  it('is text with the base in its first line', () => {
    const lines = comparisonText([row]).split('\n')
    expect(lines[2]).toMatch(/^base +1\.820$/)
    expect(lines[3]).toMatch(/^full +1,000 +25\.0 % +1\.500 +110 +2\.000 +\+0\.500$/)
  })

  it('is CSV with as many cells in each line, null as an empty one', () => {
    const lines = comparisonCsv([row, { ...row, method: 'lora' }]).split('\r\n')
    const [header, full] = lines.map(line => line.split(','))
    expect(lines).toHaveLength(4)
    expect(full).toHaveLength(header!.length)
    expect(full![header!.indexOf('general.deltaNats')]).toBe('0.5')
    expect(full![header!.indexOf('general.klToBaseNats')]).toBe('')
  })
})

describe('the figure of a comparison', () => {
  it('has three panels, and forgetting of the kept probe only', () => {
    const other = records().map(record => (record.kind === 'probe' ? { ...record, probe: 'code' } : record))
    const runs = ['full', 'lora'].map(name => ({ name, records: [...records(), ...other] }))
    const figure = comparisonFigure(runs, { forgotten: 'general' })
    expect(figure.panels).toHaveLength(3)
    const names = figure.panels[1]!.series.map(series => series.name)
    expect(names.some(name => name?.includes('full'))).toBe(true)
    expect(names.some(name => name?.includes('code'))).toBe(false)
    expect(comparisonFigure(runs, { forgotten: null }).panels).toHaveLength(1)
  })
})
