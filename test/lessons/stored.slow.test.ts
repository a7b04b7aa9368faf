/** Lessons about models with biases whose frozen weights are stored in fewer bits. */
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fromFloat32 } from '../../src/checkpoint/convert.js'
import { loadModel, type WeightStorage } from '../../src/checkpoint/load-model.js'
import { saveModel } from '../../src/checkpoint/save.js'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { expandModel } from '../../src/expansion/expand-model.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { LiveModel } from '../../src/lab/session/live-model.js'
import { proveIdentity } from '../../src/lab/session/verify-live.js'
import type { Lesson } from '../../src/lessons/lesson.js'
import { lessonOf } from '../../src/lessons/lessons.js'
import type { LessonSubject } from '../../src/lessons/subject.js'
import { parseModelConfig } from '../../src/model/config.js'
import type { Model } from '../../src/model/model.js'
import { parameterShapes } from '../../src/model/parameters.js'
import { openTokenizer } from '../../src/tokenizer/tokenizer.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { temporaryDirectory } from '../support/temporary.js'
import { demoTokenizer } from '../support/tiny-run.js'

const dir = temporaryDirectory('stored')
const engine = new ReferenceEngine()
const models: Model[] = []
afterAll(() => {
  for (const model of models) model.dispose()
})

async function write(name: string, dtype: 'BF16' | 'F32'): Promise<string> {
  const config = parseModelConfig({
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: 32,
    intermediate_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    vocab_size: 4096,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-5,
    rope_theta: 10000,
    tie_word_embeddings: true,
    attention_bias: true,
    mlp_bias: true,
    torch_dtype: 'bfloat16',
  })
  const random = new Prng(keyOf('stored', 0, 0))
  const tensors = [...parameterShapes(config)].map(([name, shape]) => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.below(1000) / 2500 - 0.2)
    return { name, dtype, shape, data: fromFloat32(values, dtype) }
  })
  await saveModel(join(dir, name), { config, tensors, companionsFrom: demoTokenizer })
  return join(dir, name)
}

const base = write('base', 'BF16')

async function subjectOf(storage: WeightStorage, from = base): Promise<LessonSubject> {
  const path = await from
  const loaded = await loadModel(path, engine, { storage: () => storage })
  const model = await expandModel(loaded, planExpansion(loaded.config, { groups: 1 }))
  models.push(loaded, model)
  const tokenizer = await openTokenizer(path)
  const none = async () => []
  return { model, tokenizer, base: path, plan: null, trainable: new Set(), run: null, fullRun: null, openProbes: none }
}

const tables = ({ parts }: Lesson) => parts.filter(part => part.kind === 'table').map(part => part.rows)
const prompt = 'the river'

describe('a model that keeps its 16-bit weights', () => {
  it('is its base to the last bit, and its new block a copy but for what is zeroed, biases included', async () => {
    const subject = await subjectOf('source')
    const [copied] = tables(await lessonOf('copy', subject))
    const zeroed = ['self_attn.o_proj.weight', 'self_attn.o_proj.bias', 'mlp.down_proj.weight', 'mlp.down_proj.bias']
    expect(copied!.filter(row => row[2] !== '0').map(row => row[0])).toEqual(zeroed)
    const frozen = await lessonOf('freeze', subject)
    expect(tables(frozen)[0]!.map(row => row.at(-1))).toEqual(['unchanged', 'unchanged', 'new', 'unchanged'])
    const picture = (await lessonOf('zero', subject, { prompt })).parts.find(part => part.kind === 'matrices')
    expect(picture!.pictures.every(({ largest }) => largest === 0)).toBe(true)
  })
})

describe('a model with rounded weights', () => {
  it('says so instead of "trained"', async () => {
    const subject = await subjectOf('int8')
    const [copied] = tables(await lessonOf('copy', subject))
    expect(copied!.find(row => row[0] === 'self_attn.q_proj.weight')!.at(-1)).toBe('block 1 has it in int8')
    const frozen = await lessonOf('freeze', subject)
    expect(tables(frozen)[0]!.map(row => row.at(-1))).toEqual(['unchanged', 'unchanged', 'new', 'unchanged'])
    expect(JSON.stringify(frozen.parts)).toContain('rounded to int8')
  })
})

it('a model whose f32 weights are held in bf16 is its base, held so too', async () => {
  const subject = await subjectOf('bf16', write('wide', 'F32'))
  const frozen = await lessonOf('freeze', subject)
  expect(tables(frozen)[0]!.map(row => row.at(-1))).toEqual(['unchanged', 'unchanged', 'new', 'unchanged'])
  const live = LiveModel.of(subject.model, { ...subject, trainable: [] })
  expect(await proveIdentity(live, prompt, undefined)).toMatchObject({ identical: true })
})

describe('a model with biases', () => {
  it('is begun by the paper with zeroed biases too; zeroed norms do not keep its function', async () => {
    const subject = await subjectOf('source')
    const proof = await lessonOf('proof', subject, { prompt })
    expect(tables(proof)[1]!.map(row => row[2])).toEqual([
      'identical',
      'another function',
      'another function',
      'another function',
      'another function',
    ])
    expect(JSON.stringify(proof.parts.at(-1))).toContain('do not keep the function')
    const rows = tables(await lessonOf('first-step', subject, { prompt }))[0]!
    const alive = rows.filter(row => Number(row[1]) > 0).map(row => row[0])
    expect(alive).toEqual(['o_proj', 'o_proj.bias', 'down_proj', 'down_proj.bias'])
  })
})

it('lessons that predict tokens ask for a prompt of more than one', async () => {
  const subject = await subjectOf('source')
  // nothing but the token that opens every text
  for (const name of ['first-step', 'contribution'])
    await expect(lessonOf(name, subject, { prompt: '' })).rejects.toThrow(/give a longer prompt/)
})
