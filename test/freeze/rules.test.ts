import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expandConfig } from '../../src/expansion/expand-config.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { type Provenance, readProvenance } from '../../src/expansion/provenance.js'
import { checkDead } from '../../src/freeze/dead.js'
import { parseRule, selectTrainable } from '../../src/freeze/rules.js'
import { trainableTable, trainableTableText } from '../../src/freeze/trainable-table.js'
import { type ModelConfig, parseModelConfig } from '../../src/model/config.js'
import { layerOf, parameterShapes } from '../../src/model/parameters.js'
import { llama2Json, tinyJson } from '../support/configs.js'

function expanded(
  json: Record<string, unknown>,
  groups: number,
): { config: ModelConfig; paths: string[]; provenance: Provenance } {
  const base = parseModelConfig(json)
  const config = expandConfig(base, planExpansion(base, { groups }))
  return { config, paths: [...parameterShapes(config).keys()], provenance: readProvenance(config)! }
}
const llama = expanded(llama2Json, 8)
const small = expanded(tinyJson({ attention_bias: true }), 2)
const deep = [...parameterShapes(parseModelConfig(tinyJson({ num_hidden_layers: 45 }))).keys()]
const select = (rules: string[], from = llama) => selectTrainable(from.paths, rules, from.provenance).trainable
const layersOf = (paths: string[]) => [...new Set(paths.map(layerOf))]

describe('rules', () => {
  it('added is what provenance says', () => {
    expect(layersOf(select(['added']))).toEqual([4, 9, 14, 19, 24, 29, 34, 39])
    expect(select(['added'])).toHaveLength(8 * 9)
    expect(() => selectTrainable(llama.paths, ['added'], null)).toThrow(/no provenance/)
  })

  it('block 4 is never block 40', () => {
    const chosen = (rule: string) => layersOf(selectTrainable(deep, [rule], null).trainable)
    expect(chosen('block 4')).toEqual([4])
    expect(chosen('block 3-7')).toEqual([3, 4, 5, 6, 7])
    expect(chosen('blocks 40, 4,9-10')).toEqual([4, 9, 10, 40])
    expect(chosen('model.layers.4.**')).toEqual([4])
    expect(chosen('model.layers.4*.mlp.*.weight')).toEqual([4, 40, 41, 42, 43, 44])
  })

  it('names single parameters, kinds and all', () => {
    expect(select(['embeddings', 'head', 'norm'])).toEqual([
      'model.embed_tokens.weight',
      'model.norm.weight',
      'lm_head.weight',
    ])
    expect(select(['all'])).toEqual(llama.paths)
    expect(select(['model.layers.4.mlp.down_proj.weight'])).toEqual(['model.layers.4.mlp.down_proj.weight'])
    expect(select(['**.o_proj.weight'])).toHaveLength(40)
    expect(select(['**'])).toEqual(llama.paths)
    expect(select(['model.layers.*.mlp.**'])).toHaveLength(120)
  })

  it('! takes away, wherever it stands; frozen is the rest', () => {
    const { trainable, frozen, byRule } = selectTrainable(
      llama.paths,
      ['!**.*norm.weight', 'added', ' norm '],
      llama.provenance,
    )
    expect(trainable).toHaveLength(8 * 7)
    expect([...trainable, ...frozen].sort()).toEqual([...llama.paths].sort())
    expect(byRule.map(r => [r.rule, r.matched.length])).toEqual([
      ['!**.*norm.weight', 81],
      ['added', 72],
      ['norm', 1],
    ])
  })

  it('a glob agrees with a regular expression', () => {
    const part = fc.constantFrom('a', 'ab', 'b', 'ba', 'aba')
    const want = fc.constantFrom('a', '*', '**', 'a*', '*b', '*a*', 'a*a', 'ab')
    fc.assert(
      fc.property(
        fc.array(want, { minLength: 1, maxLength: 5 }),
        fc.array(part, { minLength: 1, maxLength: 6 }),
        (pattern, parts) => {
          // each part with its dot; ** is any number of parts
          const source = pattern.map(p => (p === '**' ? '(?:[^.]+\\.)*' : `${p.replaceAll('*', '[^.]*')}\\.`)).join('')
          const rule = parseRule(pattern.join('.'), null)
          expect(rule.matches(parts.join('.'))).toBe(new RegExp(`^${source}$`).test(`${parts.join('.')}.`))
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('mistakes are refused with the nearest name', () => {
  it.each<[string[], string, RegExp]>([
    [['aded'], 'FREEZE_RULE', /Did you mean "added"/],
    [['model.layers.4.mlp.downproj.weight'], 'FREEZE_RULE', /Did you mean "model\.layers\.4\.mlp\.down_proj\.weight"/],
    [['block 40'], 'FREEZE_RULE', /no block 40; the model has blocks 0 to 39/],
    [['blocks 4,99'], 'FREEZE_RULE', /no block 99/],
    [['block 7-3'], 'FREEZE_RULE', /backwards/],
    [['block x'], 'FREEZE_RULE', /"x" is neither/],
    [['block 0-99999999999'], 'FREEZE_RULE', /no model/],
    [['added', '!**.lora_A'], 'FREEZE_RULE', /matches no parameter/],
    [['  '], 'FREEZE_RULE', /empty/],
    [['!'], 'FREEZE_RULE', /empty/],
    [[], 'FREEZE_NOTHING', /no rules/],
    [['!embeddings'], 'FREEZE_NOTHING', /exclusions only/],
    [['block 4', '!added'], 'FREEZE_NOTHING', /leave no parameter/],
  ])('%j', (rules, code, message) => {
    expect(() => select(rules)).toThrow(message)
    expect(() => select(rules)).toThrow(expect.objectContaining({ code }))
  })

  it('says that a tied head is the embeddings', () => {
    const tied = expanded(tinyJson({ tie_word_embeddings: true }), 2)
    expect(() => select(['head'], tied)).toThrow(/use "embeddings"/)
  })
})

describe('dead configurations', () => {
  const dead = (rules: string[], options = {}) => checkDead(select(rules, small), small.provenance, options)

  it('passes the paper and a model that was not expanded', () => {
    expect(dead(['added'])).toEqual([])
    expect(dead(['all'])).toEqual([])
    expect(checkDead(['model.layers.0.mlp.up_proj.weight'], null)).toEqual([])
  })

  it('refuses new blocks of which neither projection is trained', () => {
    for (const rules of [
      ['added', '!**.o_proj.*', '!**.down_proj.*'],
      ['model.layers.2.self_attn.q_proj.*', 'block 5'],
      ['all', '!**.o_proj.*', '!**.down_proj.*'],
    ])
      expect(() => dead(rules)).toThrow(expect.objectContaining({ code: 'FREEZE_DEAD' }))
    expect(() => dead(['model.layers.2.mlp.up_proj.*', 'block 5'])).toThrow(/block 2 can never learn/)
  })

  it('warns of a half that stays zero and of untrained new blocks', () => {
    const [half, ...rest] = dead(['added', '!**.o_proj.*'])
    expect(rest).toEqual([])
    expect(half).toMatchObject({ kind: 'half', half: 'attention', layers: [2, 5] })
    // two blocks; input norm, q, k and v with their biases
    expect(half!.deadPaths).toHaveLength(2 * 7)
    expect(dead(['added', '!**.self_attn.**', '!**.input_layernorm.*'])).toMatchObject([
      { half: 'attention', deadPaths: [] },
    ])
    expect(dead(['block 2'])).toMatchObject([{ kind: 'idle', layers: [5] }])
  })

  it('lets a bias alone learn, with warnings', () => {
    expect(dead(['model.layers.2.self_attn.o_proj.bias', 'block 5'])).toHaveLength(2)
  })

  it('is no concern once the projections have moved', () => {
    expect(dead(['added', '!**.o_proj.*', '!**.down_proj.*'], { isZero: () => false })).toEqual([])
    expect(dead(['block 2'], { isZero: () => false })).toEqual([])
  })
})

describe('trainableTable', () => {
  it('counts LLaMA2-7B 32 -> 40', () => {
    const table = trainableTable(llama.config, select(['added']))
    expect(table).toMatchObject({ trainableParameters: 1_619_066_880, totalParameters: 8_357_482_496 })
    expect(table.rows).toHaveLength(72)
    expect(table.rows[0]).toMatchObject({ path: 'model.layers.4.self_attn.q_proj.weight', layer: 4, isNew: true })
    const text = trainableTableText(table)
    expect(text.split('\n')).toHaveLength(2 + 9 + 1)
    expect(text).toContain('model.layers.{4,9,14,19,24,29,34,39}.mlp.down_proj.weight')
    expect(text).toContain('trainable: 1,619,066,880 of 8,357,482,496 parameters (19.37 %)')
  })

  it('keeps old and new blocks apart', () => {
    const text = trainableTableText(trainableTable(small.config, select(['all'], small)))
    expect(text).toContain('model.layers.{0-1,3-4}.mlp.up_proj.weight')
    expect(text).toContain('model.layers.{2,5}.mlp.up_proj.weight')
    expect(text).toContain('lm_head.weight')
  })
})
