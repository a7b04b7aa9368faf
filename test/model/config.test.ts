import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseModelConfig } from '../../src/model/config.js'
import { configText, toConfigJson } from '../../src/model/config-json.js'
import { LabError } from '../../src/util/errors.js'
import { llama2Json, tinyJson } from '../support/configs.js'
import { fixtureConfigJson, fixtureModel, fixtureNames, hasFixtures } from '../support/fixtures.js'

function refusal(json: unknown): { code: string; message: string } {
  try {
    parseModelConfig(json, 'here/config.json')
  } catch (error) {
    if (error instanceof LabError) return { code: error.code, message: error.message }
    throw error
  }
  throw new Error('parsed')
}

const qwen = (changes: Record<string, unknown> = {}) =>
  tinyJson({ model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'], ...changes })

describe.skipIf(!hasFixtures)('config.json as transformers writes it', () => {
  it.each(fixtureNames)('%s is read and written back unchanged', name => {
    const config = parseModelConfig(fixtureConfigJson(name), name)
    expect(toConfigJson(config)).toEqual(fixtureConfigJson(name))
    expect(configText(config).trim()).toBe(
      readFileSync(`${fixtureModel(name)}/config.json`, 'utf8')
        .trim()
        .replace('1e-05', '0.00001'),
    )
    expect(config.slidingWindows).toEqual(Array(4).fill(name === 'mistral-sliding' ? 8 : null))
    expect(config.maxPositionEmbeddings).toBe(256)
  })

  it('reads both dialects to the same values', () => {
    const { raw: _new, dtype: _bf16, ...fromNew } = parseModelConfig(fixtureConfigJson('llama3-rope-bf16'))
    const { raw: _old, dtype: _f32, ...fromOld } = parseModelConfig(fixtureConfigJson('llama3-rope-old'))
    expect(fromNew).toEqual(fromOld)
    expect(fromNew.ropeTheta).toBe(500000)
    expect(fromNew.ropeScaling).toEqual({
      ropeType: 'llama3',
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositionEmbeddings: 64,
    })
  })

  it('reads what a family fixes by itself', () => {
    const qwen2 = parseModelConfig(fixtureConfigJson('qwen2-bias-tied'))
    expect(qwen2).toMatchObject({ qkvBias: true, oBias: false, mlpBias: false, qkNorm: false, tieWordEmbeddings: true })
    const qwen3 = parseModelConfig(fixtureConfigJson('qwen3-qknorm'))
    expect(qwen3).toMatchObject({ qkvBias: false, oBias: false, qkNorm: true, headDim: 32 })
    const biased = parseModelConfig(fixtureConfigJson('llama-headdim-bias'))
    expect(biased).toMatchObject({ qkvBias: true, oBias: true, mlpBias: true, headDim: 24 })
  })
})

describe('defaults', () => {
  it('are those of transformers', () => {
    const bare = {
      hidden_size: 4096,
      intermediate_size: 64,
      num_hidden_layers: 2,
      num_attention_heads: 32,
      vocab_size: 32000,
    }
    expect(parseModelConfig({ ...bare, model_type: 'llama' })).toMatchObject({
      numKeyValueHeads: 32,
      headDim: 128,
      maxPositionEmbeddings: 2048,
      rmsNormEps: 1e-6,
      ropeTheta: 10000,
      ropeScaling: null,
      tieWordEmbeddings: false,
      bosTokenId: 1,
      eosTokenIds: [2],
      slidingWindows: [null, null],
      dtype: 'float32',
    })
    expect(parseModelConfig({ ...bare, model_type: 'mistral' })).toMatchObject({
      numKeyValueHeads: 8,
      slidingWindows: [4096, 4096],
    })
    expect(parseModelConfig({ ...bare, model_type: 'qwen3' })).toMatchObject({
      headDim: 128,
      bosTokenId: null,
      eosTokenIds: [],
    })
    expect(parseModelConfig({ ...bare, architectures: ['MistralForCausalLM'] }).modelType).toBe('mistral')
  })

  it('put the window where transformers puts it', () => {
    const windows = (changes: Record<string, unknown>) => parseModelConfig(qwen(changes)).slidingWindows
    expect(windows({ sliding_window: 8, max_window_layers: 2 })).toEqual([null, null, null, null])
    expect(windows({ use_sliding_window: true, sliding_window: 8, max_window_layers: 2 })).toEqual([null, null, 8, 8])
    const types = ['sliding_attention', 'full_attention', 'full_attention', 'sliding_attention']
    expect(windows({ use_sliding_window: true, sliding_window: 8, layer_types: types })).toEqual([8, null, null, 8])
    expect(refusal(qwen({ layer_types: types })).message).toContain('layer_types')
    expect(refusal(qwen({ layer_types: ['full_attention'] })).message).toContain('4 entries')
  })
})

describe('refusals name the key', () => {
  it.each([
    [{ model_type: 'gemma2' }, 'CONFIG_UNSUPPORTED', 'gemma2'],
    [{ model_type: 'mixtral', architectures: ['MixtralForCausalLM'] }, 'CONFIG_UNSUPPORTED', 'mixtral'],
    [{ architectures: ['LlamaForSequenceClassification'] }, 'CONFIG_UNSUPPORTED', 'LlamaForSequenceClassification'],
    [{ architectures: ['Qwen2ForCausalLM'] }, 'CONFIG_UNSUPPORTED', 'Qwen2ForCausalLM'],
    [{ hidden_act: 'gelu' }, 'CONFIG_UNSUPPORTED', 'hidden_act'],
    [{ is_causal: false }, 'CONFIG_UNSUPPORTED', 'is_causal'],
    [{ rope_scaling: { type: 'yarn', factor: 4 } }, 'CONFIG_UNSUPPORTED', 'yarn'],
    [{ rope_scaling: { type: 'dynamic', factor: 4 } }, 'CONFIG_UNSUPPORTED', 'dynamic'],
    [{ rope_parameters: { rope_type: 'longrope' } }, 'CONFIG_UNSUPPORTED', 'longrope'],
    [{ rope_parameters: { full_attention: { rope_theta: 1 } } }, 'CONFIG_UNSUPPORTED', 'full_attention'],
    [
      { rope_parameters: { rope_type: 'default', partial_rotary_factor: 0.5 } },
      'CONFIG_UNSUPPORTED',
      'partial_rotary_factor',
    ],
    [{ rope_parameters: { rope_type: 'default', rope_theta: 5 } }, 'CONFIG_INVALID', 'rope_theta'],
    [{ rope_scaling: { rope_type: 'linear', factor: 2, mscale: 2 } }, 'CONFIG_UNSUPPORTED', 'mscale'],
    [{ rope_scaling: { type: 'linear', factor: 0.5 } }, 'CONFIG_INVALID', 'factor'],
    [{ rope_scaling: { rope_type: 'linear', factor: 2, type: 'llama3' } }, 'CONFIG_INVALID', 'rope_type'],
    [{ quantization_config: { bits: 4 } }, 'CONFIG_UNSUPPORTED', 'quantization_config'],
    [{ pretraining_tp: 2 }, 'CONFIG_UNSUPPORTED', 'pretraining_tp'],
    [{ partial_rotary_factor: 0.5 }, 'CONFIG_UNSUPPORTED', 'partial_rotary_factor'],
    [{ num_local_experts: 8 }, 'CONFIG_UNSUPPORTED', 'experts'],
    [{ final_logit_softcapping: 30 }, 'CONFIG_UNSUPPORTED', 'final_logit_softcapping'],
    [{ attention_dropout: 0.1 }, 'CONFIG_UNSUPPORTED', 'attention_dropout'],
    [{ sliding_window: 4096 }, 'CONFIG_UNSUPPORTED', 'sliding_window'],
    [{ per_layer_config: { 0: { head_dim: 2 } } }, 'CONFIG_UNSUPPORTED', 'per_layer_config'],
    [{ auto_map: { AutoModelForCausalLM: 'modeling.X' } }, 'CONFIG_UNSUPPORTED', 'auto_map'],
    [{ surprising_factor: 2 }, 'CONFIG_UNKNOWN_KEY', 'surprising_factor'],
    [{ rope_thetta: 500000 }, 'CONFIG_UNKNOWN_KEY', 'rope_theta'],
    [{ torch_dtype: 'float8_e4m3fn' }, 'CONFIG_UNSUPPORTED', 'float8_e4m3fn'],
    [{ num_key_value_heads: 3 }, 'CONFIG_INVALID', 'num_key_value_heads'],
    [{ hidden_size: 9 }, 'CONFIG_INVALID', 'hidden_size'],
    [{ head_dim: 5 }, 'CONFIG_INVALID', 'head_dim'],
    [{ hidden_size: '8' }, 'CONFIG_INVALID', 'hidden_size'],
    [{ num_hidden_layers: 0 }, 'CONFIG_INVALID', 'num_hidden_layers'],
    [{ vocab_size: undefined }, 'CONFIG_INVALID', 'vocab_size'],
    [{ tie_word_embeddings: 'yes' }, 'CONFIG_INVALID', 'tie_word_embeddings'],
    [{ eos_token_id: [2, 99] }, 'CONFIG_INVALID', 'eos_token_id'],
  ])('%j', (changes, code, named) => {
    const error = refusal(tinyJson(changes))
    expect(error.code).toBe(code)
    expect(error.message).toContain(named)
    expect(error.message).toContain('here/config.json')
  })

  it('refuses what is not a model', () => {
    expect(refusal([]).code).toBe('CONFIG_INVALID')
    expect(refusal({}).message).toContain('architectures')
    expect(refusal(tinyJson({ model_type: 'lama' })).message).toContain('Did you mean "llama"?')
  })

  it('lets unknown keys pass when they are off, and harmless keys always', () => {
    const json = tinyJson({
      new_feature: false,
      other: null,
      list: [],
      temperature: 0.6,
      unsloth_version: '1',
      partial_rotary_factor: 1,
    })
    expect(toConfigJson(parseModelConfig(json))).toMatchObject(json)
  })
})

describe('any other JSON', () => {
  it('is read or refused with a LabError', () => {
    const value = fc.oneof(
      fc.jsonValue(),
      fc.integer(),
      fc.double(),
      fc.constant(['full_attention']),
      fc.constant({ type: 'llama3' }),
    )
    const key = fc.oneof(
      fc.constantFrom(...Object.keys(llama2Json), 'rope_parameters', 'layer_types', 'sliding_window'),
      fc.string(),
    )
    fc.assert(
      fc.property(
        fc.constantFrom('llama', 'mistral', 'qwen2', 'qwen3'),
        fc.array(fc.tuple(key, value)),
        (family, changes) => {
          const json = tinyJson({ architectures: null, model_type: family, ...Object.fromEntries(changes) })
          try {
            const config = parseModelConfig(JSON.parse(JSON.stringify(json)))
            expect({ ...parseModelConfig(JSON.parse(configText(config))), raw: {} }).toEqual({ ...config, raw: {} })
          } catch (error) {
            expect(error).toBeInstanceOf(LabError)
          }
        },
      ),
      { numRuns: 1500 },
    )
    expect(refusal(tinyJson({ num_hidden_layers: 2 ** 40 })).message).toContain('at most')
  })
})

describe('toConfigJson', () => {
  it('is the inverse of parseModelConfig for a model made here', () => {
    for (const changes of [
      {},
      { rope_scaling: { rope_type: 'linear', factor: 2 }, eos_token_id: [2, 3], attention_bias: true, head_dim: 6 },
      { model_type: 'mistral', architectures: undefined, sliding_window: null, bos_token_id: null, eos_token_id: null },
      {
        model_type: 'qwen3',
        architectures: undefined,
        use_sliding_window: true,
        sliding_window: 4,
        max_window_layers: 1,
      },
      { model_type: 'qwen2', architectures: undefined, torch_dtype: 'bfloat16', tie_word_embeddings: true },
    ]) {
      const config = { ...parseModelConfig(JSON.parse(JSON.stringify(tinyJson(changes)))), raw: {} }
      const back = parseModelConfig(JSON.parse(configText(config)))
      expect({ ...back, raw: {} }).toEqual(config)
      expect(back.raw['architectures']).toHaveLength(1)
    }
  })

  it('writes changed values in the dialect it read', () => {
    const old = parseModelConfig(tinyJson({ rope_scaling: null }))
    expect(toConfigJson({ ...old, ropeTheta: 5e5 })).toMatchObject({ rope_theta: 5e5, rope_scaling: null })
    const rope_parameters = { rope_type: 'default', rope_theta: 10000 }
    const { torch_dtype: _, rope_theta: __, ...rest } = tinyJson({ rope_parameters, dtype: 'float16' })
    const written = toConfigJson({ ...parseModelConfig(rest), ropeTheta: 5e5, dtype: 'bfloat16' })
    expect(written['rope_parameters']).toEqual({ rope_type: 'default', rope_theta: 5e5 })
    expect(written).not.toHaveProperty('rope_theta')
    expect(written).toMatchObject({ dtype: 'bfloat16' })
    expect(written).not.toHaveProperty('torch_dtype')
  })

  it('says with layer_types what a threshold cannot say', () => {
    const config = parseModelConfig(qwen({ use_sliding_window: true, sliding_window: 8, max_window_layers: 2 }))
    const suffix = { ...config, numHiddenLayers: 5, slidingWindows: [null, null, null, 8, 8] }
    expect(toConfigJson(suffix)).toMatchObject({ max_window_layers: 3 })
    expect(toConfigJson(suffix)).not.toHaveProperty('layer_types')
    const mixed = { ...config, numHiddenLayers: 5, slidingWindows: [null, null, 8, null, 8] }
    expect(parseModelConfig(toConfigJson(mixed)).slidingWindows).toEqual(mixed.slidingWindows)
  })

  it('refuses what a family cannot express', () => {
    const config = parseModelConfig(tinyJson())
    expect(() => toConfigJson({ ...config, slidingWindows: [8, 8, 8, 8] })).toThrow(/sliding window/)
    expect(() => toConfigJson({ ...config, qkvBias: true })).toThrow(/biases/)
    expect(() => toConfigJson({ ...config, numHiddenLayers: 5 })).toThrow(/one per block/)
  })
})
