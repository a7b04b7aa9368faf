import { describe, expect, it } from 'vitest'
import { expandConfig } from '../../src/expansion/expand-config.js'
import { layerMap, layerMapsOfPlan, layerMapText } from '../../src/expansion/layer-map.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { newLayers, readProvenance } from '../../src/expansion/provenance.js'
import { type ModelConfig, parseModelConfig } from '../../src/model/config.js'
import { configText, toConfigJson } from '../../src/model/config-json.js'
import { parameterShapes } from '../../src/model/parameters.js'
import { llama2Json, tinyJson } from '../support/configs.js'

const tiny = (changes: Record<string, unknown> = {}) => parseModelConfig(tinyJson(changes))
const reread = (config: ModelConfig) => parseModelConfig(JSON.parse(configText(config)))
const zeros = (layer: number) => [
  `model.layers.${layer}.self_attn.o_proj.weight`,
  `model.layers.${layer}.mlp.down_proj.weight`,
]

describe('provenance', () => {
  it('says which blocks are new, from where, and what was zeroed; it survives config.json', () => {
    const config = expandConfig(tiny(), planExpansion(tiny(), { groups: 2 }))
    const expected = {
      version: 1,
      baseNumHiddenLayers: 4,
      numHiddenLayers: 6,
      placement: 'interleaved',
      groups: 2,
      copies: 1,
      layers: [
        { index: 2, source: 1, zeroed: zeros(2) },
        { index: 5, source: 3, zeroed: zeros(5) },
      ],
      history: [],
    }
    expect(readProvenance(config)).toEqual(expected)
    expect(readProvenance(reread(config))).toEqual(expected)
    expect(readProvenance(tiny())).toBeNull()
    expect(newLayers(null).size).toBe(0)
  })

  it('lists biases that were zeroed', () => {
    const biased = tiny({ attention_bias: true, mlp_bias: true })
    expect(readProvenance(expandConfig(biased, planExpansion(biased, { at: [4] })))!.layers[0]!.zeroed).toEqual([
      'model.layers.4.self_attn.o_proj.weight',
      'model.layers.4.self_attn.o_proj.bias',
      'model.layers.4.mlp.down_proj.weight',
      'model.layers.4.mlp.down_proj.bias',
    ])
  })

  it('starts anew when an expanded model is expanded, and keeps the history', () => {
    const first = expandConfig(tiny(), planExpansion(tiny(), { groups: 2 }))
    const second = expandConfig(first, planExpansion(first, { at: [0, 7] }))
    const provenance = readProvenance(second)!
    expect(provenance).toMatchObject({ baseNumHiddenLayers: 6, numHiddenLayers: 8 })
    expect(provenance.layers.map(b => [b.index, b.source])).toEqual([
      [0, 0],
      [7, 5],
    ])
    const { history: _, ...recorded } = readProvenance(first)!
    expect(provenance.history).toEqual([recorded])
    const third = expandConfig(second, planExpansion(second, { groups: 1 }))
    expect(readProvenance(third)!.history.map(e => e.numHiddenLayers)).toEqual([6, 8])
  })

  it('counts earlier blocks as new still when told, with sources in the first base', () => {
    const first = expandConfig(tiny(), planExpansion(tiny(), { groups: 2 }))
    // 0 1 (1) 2 3 (3) with a copy of old block 2 above it and a copy of the new top block above that
    const second = expandConfig(first, planExpansion(first, { at: [4, 7] }), { keepEarlier: true })
    const provenance = readProvenance(second)!
    expect(provenance).toMatchObject({ baseNumHiddenLayers: 4, numHiddenLayers: 8, placement: 'custom' })
    expect(provenance.layers.map(b => [b.index, b.source])).toEqual([
      [2, 1],
      [4, 2],
      [6, 3],
      [7, 3],
    ])
    expect(provenance.layers[2]!.zeroed).toEqual(zeros(6))
    expect(layerMap(second).rows.map(r => r.sourceLayer)).toEqual([0, 1, 1, 2, 2, 3, 3, 3])
  })

  it('is refused when damaged', () => {
    const config = expandConfig(tiny(), planExpansion(tiny(), { groups: 2 }))
    const good = config.raw['llama_pro'] as { layers: object[] }
    const read =
      (value: unknown, numHiddenLayers = 6) =>
      () =>
        readProvenance({ ...config, numHiddenLayers, raw: { ...config.raw, llama_pro: value } })
    expect(read(good)).not.toThrow()
    expect(read('x')).toThrow(/not an object/)
    expect(read({ ...good, version: 2 })).toThrow(/version 2/)
    expect(read(good, 8)).toThrow(/6 blocks, but num_hidden_layers is 8/)
    expect(read({ ...good, layers: good.layers.slice(1) })).toThrow(/2 new blocks/)
    expect(read({ ...good, layers: [...good.layers].reverse() })).toThrow(/impossible/)
    expect(read({ ...good, layers: [good.layers[0], { index: 5, source: 4, zeroed: [] }] })).toThrow(/impossible/)
    expect(read({ ...good, layers: [good.layers[0], { index: 5, source: 3, zeroed: zeros(2) }] })).toThrow(/block 5/)
    expect(read({ ...good, history: undefined })).toThrow(/history/)
  })
})

describe('expandConfig', () => {
  const qwen = (changes: Record<string, unknown>) =>
    tiny({ model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'], ...changes })

  it('remaps layer_types and the window threshold with the blocks', () => {
    const config = qwen({ use_sliding_window: true, sliding_window: 8, max_window_layers: 2 })
    const top = expandConfig(config, planExpansion(config, { groups: 2 }))
    expect(top.slidingWindows).toEqual([null, null, null, 8, 8, 8])
    expect(toConfigJson(top)).toMatchObject({ num_hidden_layers: 6, max_window_layers: 3 })
    expect(reread(top).slidingWindows).toEqual(top.slidingWindows)
    // copies of windowed blocks below unwindowed ones: only a list can say it
    const below = expandConfig(config, planExpansion(config, { groups: 3, placement: 'prefix' }))
    expect(below.slidingWindows).toEqual([null, null, 8, null, null, 8, 8])
    expect(reread(below).slidingWindows).toEqual(below.slidingWindows)
    const types = ['sliding_attention', 'full_attention', 'full_attention', 'sliding_attention']
    const listed = qwen({ use_sliding_window: true, sliding_window: 8, layer_types: types })
    const expanded = expandConfig(listed, planExpansion(listed, { at: [1] }))
    expect(toConfigJson(expanded)['layer_types']).toEqual(['sliding_attention', ...types])
  })

  it('keeps an unused threshold beyond the last block', () => {
    const config = qwen({ max_window_layers: 4, sliding_window: 8, use_sliding_window: true })
    const expanded = reread(expandConfig(config, planExpansion(config, { groups: 4 })))
    expect(expanded.slidingWindows).toEqual(Array(8).fill(null))
    expect(expanded.raw['max_window_layers']).toBe(8)
  })

  it('remaps any list as long as the model is deep, and no other', () => {
    const config = tiny({ eos_token_id: [2, 3, 4, 5], task_specific_params: ['a', 'b', 'c', 'd'] })
    const json = toConfigJson(expandConfig(config, planExpansion(config, { groups: 2 })))
    expect(json['task_specific_params']).toEqual(['a', 'b', 'b', 'c', 'd', 'd'])
    expect(json['eos_token_id']).toEqual([2, 3, 4, 5])
    const mistral = tiny({ model_type: 'mistral', architectures: null, sliding_window: 8 })
    expect(reread(expandConfig(mistral, planExpansion(mistral, { groups: 2 }))).slidingWindows).toEqual(
      Array(6).fill(8),
    )
  })

  it('refuses a plan for another depth', () => {
    expect(() => expandConfig(tiny(), planExpansion({ numHiddenLayers: 8 }, { groups: 2 }))).toThrow(
      /8 blocks, but this one has 4/,
    )
  })
})

describe('layerMap', () => {
  it('counts LLaMA2-7B 32 -> 40 as 8,357,482,496 in all and 1,619,066,880 trainable', () => {
    const config = parseModelConfig(llama2Json)
    const { before, after } = layerMapsOfPlan(config, planExpansion(config, { groups: 8 }))
    expect(before).toMatchObject({ totalParameters: 6_738_415_616, selection: 'none', trainableParameters: 0 })
    expect(after).toMatchObject({ totalParameters: 8_357_482_496, trainableParameters: 1_619_066_880 })
    expect(after.rows).toHaveLength(40)
    expect(after.rows[4]).toMatchObject({ sourceLayer: 3, isNew: true, isTrainable: true, parameters: 202_383_360 })
    expect(after.rows[5]).toMatchObject({ sourceLayer: 4, isNew: false, isTrainable: false, trainableParameters: 0 })
    const text = layerMapText(after)
    expect(text).toContain('total: 8,357,482,496, trainable: 1,619,066,880 (19.37 %)')
    expect(text.split('\n')[6]).toMatch(/^ +4 +3 +new +trainable +202,383,360 +2\.42 %$/)
  })

  it('says nothing about training of a plain model until something is selected', () => {
    const config = tiny()
    const text = layerMapText(layerMap(config))
    expect(text).not.toMatch(/train|frozen/)
    expect(text).toMatch(/\ntotal: [\d,]+$/)
    const all = layerMapText(layerMap(config, { trainable: parameterShapes(config).keys() }))
    expect(all).toContain('(100.00 %)')
    expect(layerMapText(layerMap(config, { trainable: [] }))).toContain('trainable: 0 (0.00 %)')
  })

  it('shows a selection', () => {
    const config = tiny()
    const map = layerMap(config, { trainable: ['model.layers.1.mlp.down_proj.weight', 'lm_head.weight'] })
    expect(map.rows.map(r => r.isTrainable)).toEqual([false, true, false, false])
    expect(map.trainableParameters).toBe(8 * 12 + 16 * 8)
    expect(layerMapText(map)).toContain('in part')
    expect(map.rows.reduce((sum, r) => sum + r.parameters, map.otherParameters)).toBe(map.totalParameters)
  })
})
